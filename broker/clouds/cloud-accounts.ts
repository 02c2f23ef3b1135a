import type { CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import { awsPlace } from '../../domain/clouds/aws-partitions.ts';
import type { AwsPartition } from '../../domain/registries/registry-hosts.ts';
import type { Aws } from '../../providers/clouds/aws/aws.ts';
import type { Azure } from '../../providers/clouds/azure/azure.ts';
import type { Gcp } from '../../providers/clouds/gcp/gcp.ts';
import type { CloudAccess } from './clouds.ts';

type Deps = {
  clouds: CloudAccess;
  aws: Pick<Aws, 'identity' | 'ownIdentity'>;
  gcp: Pick<Gcp, 'proveAccess'>;
  azure: Pick<Azure, 'proveAccess'>;
  /** What the machine's own identity at AWS is used for. */
  awsIdentity: 'none' | 'assume' | 'lend';
};

/** For how long it is not asked again who we are: a role of the machine is seldom another one. */
const identityMs = 60 * 60_000;
/** A person waits for it. */
const interactiveMs = 5_000;

/** What clouds are asked about the accounts themselves, whatever these are used for. */
export function createCloudAccounts({ clouds, aws, gcp, azure, awsIdentity }: Deps) {
  const principals = new Map<AwsPartition, { arn: string; until: number }>();

  return {
    awsIdentity,

    /** Fairlead's own identity there, to which a role is to be open; nothing where AWS does not say who that is. */
    async principal(partition: AwsPartition): Promise<string | undefined> {
      if (awsIdentity === 'none') return undefined;
      const known = principals.get(partition);
      if (known && known.until > Date.now()) return known.arn;
      try {
        const region = awsPlace(undefined, partition)?.region ?? '';
        const { arn } = await aws.ownIdentity({ region, signal: AbortSignal.timeout(interactiveMs) });
        principals.set(partition, { arn, until: Date.now() + identityMs });
        return arn;
      } catch {
        // It is shown beside other things, which do not depend on it.
        return known?.arn;
      }
    },

    /** Asks the cloud who this is. Throws a `ProviderError` where it does not let the account in. */
    async prove(account: CloudAccount, signal?: AbortSignal): Promise<void> {
      const use = { projectId: account.projectId };
      switch (account.kind) {
        case 'aws': {
          const { region } = account.config;
          const where = { ...(region !== undefined && { region }), ...(signal && { signal }) };
          await aws.identity(await clouds.aws(account, use), where);
          return;
        }
        case 'gcp':
          return gcp.proveAccess(await clouds.gcp(account, use), signal);
        case 'azure':
          return azure.proveAccess(await clouds.azure(account, use), signal);
      }
    },
  };
}

export type CloudAccounts = ReturnType<typeof createCloudAccounts>;
