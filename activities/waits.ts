import { activityInfo, log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { clearWait, noteWait, waitsOf } from '../db/ops/operation-waits.ts';
import type { Database } from '../db/store/connection.ts';
import type { AnyActivities } from './heartbeats.ts';

/** The workflows that do the work of operations. The others, such as those of builds, skip the lookup. */
const ofOperations: ReadonlySet<string> = new Set([
  'deleteIntegration',
  'recoverDeliveries',
  'rotateCredential',
  'syncInstallations',
  'verifyCloudAccount',
  'verifyIntegration',
]);

/**
 * Activities that read the account of one tenant in a workflow that serves many. Their message would tell another
 * tenant about that account.
 */
const ofOneAccount: ReadonlySet<string> = new Set(['syncRepositoryPage', 'confirmInstallations', 'fillGap']);
const accountDetail = 'An account of the GitHub App cannot be read yet. Fairlead retries.';

/**
 * The same activities, which store on the operations of their workflow why an attempt has failed, so that the API can
 * say what an operation waits for. A request of the API does not ask Temporal.
 */
export function withWaits<Activities extends AnyActivities>(database: Database, activities: Activities): Activities {
  async function note(failure?: ApplicationFailure): Promise<void> {
    const { workflowExecution, workflowType, activityType } = activityInfo();
    if (!workflowExecution || !ofOperations.has(workflowType ?? '')) return;
    const { workflowId } = workflowExecution;
    const { any, noted } = await waitsOf(database.reader, workflowId);
    if (!failure && noted) await database.write((trx) => clearWait(trx, workflowId));
    if (!failure || !any) return;
    const detail = ofOneAccount.has(activityType) ? accountDetail : failure.message;
    await database.write((trx) => noteWait(trx, workflowId, { code: failure.type ?? 'internal', detail }));
  }
  const noteSafely = (failure?: ApplicationFailure) =>
    note(failure).catch((error: unknown) => {
      // It changes what the API shows, and not what the activity has done.
      log.warn('What an operation waits for could not be stored', { error: String(error) });
    });

  const wrapped = Object.entries(activities).map(([name, activity]) => [
    name,
    async (...parameters: unknown[]) => {
      try {
        const result = await activity(...parameters);
        await noteSafely();
        return result;
      } catch (error) {
        // After a failure without a retry, the workflow itself ends the operation.
        if (error instanceof ApplicationFailure && !error.nonRetryable) await noteSafely(error);
        throw error;
      }
    },
  ]);
  return Object.fromEntries(wrapped) as Activities;
}
