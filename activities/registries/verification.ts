import { Context } from '@temporalio/activity';
import type { RegistryAccess } from '../../broker/registries/registry-access.ts';
import { isRequested } from '../../db/ops/requested-work.ts';
import {
  beginVerification,
  giveUpVerification,
  recordVerification,
  type VerificationWish,
} from '../../db/registries/registry-verifications.ts';
import type { Database } from '../../db/store/connection.ts';
import { isDuplicate } from '../../db/store/errors.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { verifyWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { ProviderError } from '../../providers/failure.ts';
import { NotYet } from '../refusals.ts';
import { type Settling, usualSettling } from '../settling.ts';

export type VerificationDeps = {
  database: Database;
  keyring: Keyring;
  registryAccess: Pick<RegistryAccess, 'verify'>;
  settling?: Settling;
};

type OfIntegration = { integrationId: string };

/**
 * - `doubted`: the registry refused the credential once, and Fairlead checks again before it believes that.
 * - `rejected`: why a new login was rejected. The active one stays in use.
 */
export type Verdict = { status: string; reason: string | null; doubted: string | null; rejected?: string };

/** A registry that stops responding is asked this many times. After that the remaining checks stay unproven. */
const mostAttempts = 4;

/** The steps that check a registry's credential. */
export function verificationActivities({
  database,
  keyring,
  registryAccess,
  settling = usualSettling,
}: VerificationDeps) {
  const isWanted = (subjectId: string) =>
    isRequested(database.reader, { kind: 'verify', subjectId, workflowId: verifyWorkflowId(subjectId) });

  return {
    beginVerification: ({ integrationId }: OfIntegration): Promise<VerificationWish> =>
      database.write((trx) => beginVerification(trx, integrationId)),

    /**
     * Returns nothing if nothing has requested a check, or if the credential was replaced in between. An outage throws
     * and changes nothing.
     */
    async probeRegistry({ integrationId, wish }: OfIntegration & { wish: 'asked' | 'due' }): Promise<Verdict | null> {
      if (!(await isWanted(integrationId))) return null;
      const { info, cancellationSignal: signal } = Context.current();
      // Only a credential that a person has just changed needs time to take effect.
      const isSettled = wish === 'due' || Date.now() - info.scheduledTimestampMs >= settling.forMs;
      const isLast = info.attempt >= mostAttempts;
      const found = await registryAccess
        .verify(integrationId, { signal, isLast, isSettled })
        .catch((error: unknown) => notYetIn(error, settling));
      const record = () => database.write((trx) => recordVerification(trx, keyring, { integrationId, found, wish }));
      const recorded = await record().catch((error: unknown) => {
        // Another integration has taken the user name of a new login at the same moment.
        if (!isDuplicate(error)) throw error;
        return record();
      });
      return recorded ?? null;
    },

    async giveUpVerification({
      integrationId,
      failure,
    }: OfIntegration & { failure: { code: string; detail: string } }): Promise<void> {
      if (!(await isWanted(integrationId))) return;
      await database.write((trx) => giveUpVerification(trx, integrationId, failure));
    },
  };
}

function notYetIn(error: unknown, { everyMs }: Settling): never {
  if (!(error instanceof ProviderError && error.settling)) throw error;
  throw new NotYet(error.code, error.message, everyMs);
}
