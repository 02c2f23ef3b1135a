import type { GitHubBroker } from '../../broker/github/github.ts';
import { requestRecoveries } from '../../db/deliveries/delivery-log.ts';
import { type HeadCheck, headChecksIn } from '../../db/deliveries/ref-heads.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import { allOperations } from '../../db/ops/operations.ts';
import { isRequested } from '../../db/ops/requested-work.ts';
import { commandsIn } from '../../db/store/commands.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import { recoverWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { isPassing } from '../failures.ts';
import { noteAppAccepted } from '../github/sync-report.ts';
import { fillRepositoryGap } from './fill-gap.ts';
import { type LogReading, noteLoss, nothingRead, readLog } from './read-log.ts';

export type DeliveryDeps = {
  database: Database;
  broker: Pick<GitHubBroker, 'asApp' | 'forRepository'>;
  /** Whether GitHub can reach Fairlead by webhook. */
  reachable: boolean;
};

type Failure = { code: string; detail: string };
/** `undecided`: nothing has requested a recovery of this GitHub App. */
export type RecoveryBegun = { begunAt: number; gaps: HeadCheck[]; undecided?: true };

/** A schedule requests a recovery of every GitHub App every five minutes. */
const requestedWithinMs = 3_600_000;

/**
 * Raises or resolves the incident about the log, after hours of attempts. A rejected App has an incident of its own.
 */
async function noteLogRead(trx: Transaction, app: GithubApp, failure: Failure | undefined): Promise<void> {
  const incidents = allIncidents(trx);
  if (!failure) {
    await incidents.resolveSubject('delivery_log_unreadable', app.id);
    // The App's key reads the log, so GitHub accepts the App.
    return noteAppAccepted(trx, app, true);
  }
  if (failure.code === 'app_credentials_rejected') return noteAppAccepted(trx, app, false);
  await incidents.raise({ orgId: app.orgId, projectId: null, code: 'delivery_log_unreadable', subjectId: app.id });
}

/** The limit of one recovery. The next one continues. */
const mostGaps = 500;

/** The steps that get missed deliveries. */
export function deliveryActivities(deps: DeliveryDeps) {
  const { database } = deps;
  const isWanted = (subjectId: string) =>
    isRequested(database.reader, { kind: 'recover', subjectId, workflowId: recoverWorkflowId(subjectId) });

  return {
    /** Asks for a reading of every App's log. Many requests lead to one reading. */
    async requestRecoveries(): Promise<void> {
      await requestRecoveries(database);
    },

    /**
     * Begins the reading that serves all requests up to now. `gaps` are the repositories whose log entries were lost.
     */
    async beginRecovery({ githubAppId }: { githubAppId: string }): Promise<RecoveryBegun> {
      const begunAt = Date.now();
      const isWanted = await database.write(async (trx) => {
        const taken = await allOperations(trx).takeUp({ kind: 'recover', subjectId: githubAppId });
        const since = begunAt - requestedWithinMs;
        return taken > 0 || commandsIn(trx).wasRequested(recoverWorkflowId(githubAppId), since);
      });
      if (!isWanted) return { begunAt, gaps: [], undecided: true };
      const app = await githubAppsIn(database.reader).find(githubAppId);
      if (app) await noteLoss(database, app, begunAt);
      return { begunAt, gaps: await headChecksIn(database.reader).list(githubAppId, mostGaps) };
    },

    async readDeliveryLog(input: { githubAppId: string; cursor?: string; begunAt: number }): Promise<LogReading> {
      if (!(await isWanted(input.githubAppId))) return nothingRead;
      return readLog(deps, { ...input, thorough: true });
    },

    /** Returns the number of pushes created. If a retry can help, the repository stays on the list of those to check. */
    async fillGap(input: HeadCheck): Promise<number> {
      if (!(await headChecksIn(database.reader).isWanted(input.repositoryId))) return 0;
      const done = () => database.write((trx) => headChecksIn(trx).done(input.repositoryId));
      try {
        const made = await fillRepositoryGap(deps, input);
        await done();
        return made;
      } catch (error) {
        if (!isPassing(error)) await done();
        throw error;
      }
    },

    async finishRecovery({ githubAppId, failure }: { githubAppId: string; failure?: Failure }): Promise<void> {
      if (!(await isWanted(githubAppId))) return;
      await database.write(async (trx) => {
        await allOperations(trx).finish({ kind: 'recover', subjectId: githubAppId }, failure);
        const app = await githubAppsIn(trx).find(githubAppId);
        if (app) await noteLogRead(trx, app, failure);
      });
    },
  };
}
