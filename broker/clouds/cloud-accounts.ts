import { type AccessStage, configAt } from '../../db/clouds/cloud-access.ts';
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
  /** How Fairlead uses the cloud identity of its machine. */
  awsIdentity: 'none' | 'assume' | 'lend';
};

/** How long the identity is cached. The role of a machine rarely changes. */
const identityMs = 60 * 60_000;
/** The timeout of a call that a person waits for. */
const interactiveMs = 5_000;

/** Calls to clouds about the accounts themselves, independent of how integrations use them. */
export function createCloudAccounts({ clouds, aws, gcp, azure, awsIdentity }: Deps) {
  const principals = new Map<AwsPartition, { arn: string; until: number }>();

  return {
    awsIdentity,

    /**
     * Returns Fairlead's own identity at the cloud, which a role must trust. Returns undefined if AWS does not name it.
     */
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
        // The page shows it beside other facts that do not depend on it.
        return known?.arn;
      }
    },

    /** Asks the cloud which identity this is. Throws a `ProviderError` if the cloud rejects the access. */
    async prove(account: CloudAccount, stage: AccessStage, signal?: AbortSignal): Promise<void> {
      const use = { projectId: account.projectId, stage };
      switch (account.kind) {
        case 'aws': {
          const { region } = configAt(account, stage) ?? {};
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
