import { Context } from '@temporalio/activity';
import type { CloudAccounts } from '../../broker/clouds/cloud-accounts.ts';
import { rotateSigningKeys } from '../../broker/clouds/signing-keys.ts';
import { type AccessStage, configAt } from '../../db/clouds/cloud-access.ts';
import {
  beginCloudCheck,
  type CloudRefusal,
  giveUpCloudCheck,
  recordCloudCheck,
} from '../../db/clouds/cloud-account-checks.ts';
import { allCloudAccounts, type CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import { isRequested } from '../../db/ops/requested-work.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { verifyCloudWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { ProviderError } from '../../providers/failure.ts';
import { isPassing } from '../failures.ts';
import { NotYet } from '../refusals.ts';
import { type Settling, usualSettling } from '../settling.ts';

export type CloudAccountDeps = {
  database: Database;
  keyring: Keyring;
  cloudAccounts: Pick<CloudAccounts, 'prove'>;
  settling?: Settling;
};

type OfAccount = { cloudAccountId: string };

/** The steps that check a cloud account at its cloud. */
export function cloudAccountActivities({
  database,
  keyring,
  cloudAccounts,
  settling = usualSettling,
}: CloudAccountDeps) {
  const isWanted = (subjectId: string) =>
    isRequested(database.reader, { kind: 'verify', subjectId, workflowId: verifyCloudWorkflowId(subjectId) });

  async function refusalOf(
    account: CloudAccount,
    stage: AccessStage,
    isSettled: boolean,
  ): Promise<CloudRefusal | undefined> {
    try {
      await cloudAccounts.prove(account, stage, Context.current().cancellationSignal);
      return undefined;
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      const { code, message } = error;
      if (error.settling && !isSettled) throw new NotYet(code, message, settling.everyMs);
      // A temporary failure says nothing about the account.
      if (isPassing(error) && code !== 'credentials_missing') throw error;
      return { code, detail: message };
    }
  }

  return {
    /** Returns false if the account no longer exists. */
    beginCloudCheck: ({ cloudAccountId }: OfAccount): Promise<boolean> =>
      database.write((trx) => beginCloudCheck(trx, cloudAccountId)),

    /**
     * Returns false if nothing has requested a check, or if the access was replaced in between. An outage throws and
     * changes nothing.
     */
    async askCloud({ cloudAccountId }: OfAccount): Promise<boolean> {
      const account = await allCloudAccounts(database.reader).find(cloudAccountId);
      if (!account || !(await isWanted(cloudAccountId))) return false;
      const isSettled = Date.now() - Context.current().info.scheduledTimestampMs >= settling.forMs;
      const record = (stage: AccessStage, refusal: CloudRefusal | undefined) =>
        database.write((trx) => recordCloudCheck(trx, keyring, { account, stage, refusal }));
      const stage = configAt(account, 'pending') ? 'pending' : 'active';
      const refusal = await refusalOf(account, stage, isSettled);
      if (!refusal || stage === 'pending' || !configAt(account, 'previous')) return record(stage, refusal);
      // The previous access may still work. Without a response, the refusal of the active one counts.
      const isBack = await refusalOf(account, 'previous', true).then(
        (other) => other === undefined,
        () => false,
      );
      return record(isBack ? 'previous' : 'active', refusal);
    },

    async giveUpCloudCheck({ cloudAccountId, failure }: OfAccount & { failure: CloudRefusal }): Promise<void> {
      if (!(await isWanted(cloudAccountId))) return;
      await database.write((trx) => giveUpCloudCheck(trx, cloudAccountId, failure));
    },
  };
}

export type SigningKeyDeps = { database: Database; keyring: Keyring };

/** The step that rotates the signing keys of the OIDC issuer. */
export function signingKeyActivities({ database, keyring }: SigningKeyDeps) {
  return {
    rotateSigningKeys: () => rotateSigningKeys(database, keyring),
  };
}
