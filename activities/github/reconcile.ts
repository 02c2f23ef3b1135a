import { startOf } from '../../db/builds/builds.ts';
import { deletionCommand } from '../../db/deletion/deletion-command.ts';
import { leaveUnseenToPerson } from '../../db/deletion/deletion-end.ts';
import {
  requestReconciliations,
  resolveMoot,
  silentBuilds,
  silentDeletions,
  startAgain,
} from '../../db/github/reconcile.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import { requestedWithinMs } from '../../db/ops/requested-work.ts';
import { commandsIn } from '../../db/store/commands.ts';
import type { Database } from '../../db/store/connection.ts';
import { reconcileWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { checkApp, type ReconcileDeps } from './check-app.ts';

export type { ReconcileDeps };

/** The steps of the nightly check. Each step can run twice. */
export function reconcileActivities(deps: ReconcileDeps) {
  return {
    /** Asks for a comparison of every App in use with its settings at GitHub. */
    async requestReconciliations(): Promise<void> {
      await deps.database.write(requestReconciliations);
    },

    async sweepStuck(): Promise<void> {
      await sweepStuck(deps.database);
    },

    async checkApp({ githubAppId }: { githubAppId: string }): Promise<void> {
      const since = Date.now() - requestedWithinMs;
      if (!(await commandsIn(deps.database.reader).wasRequested(reconcileWorkflowId(githubAppId), since))) return;
      await checkApp(deps, githubAppId);
    },
  };
}

const hour = 3_600_000;

/** A deletion that waits for its provider is quiet for days. After this time it is stuck. */
const deletionMs = 8 * 24 * hour;

/** The limit for one night. */
const mostBuilds = 1_000;

/**
 * Looks for builds and deletions that make no progress, and starts their workflow again if it was lost. If that is not
 * enough, it raises an incident.
 */
export async function sweepStuck(database: Database, now = Date.now()): Promise<void> {
  const builds = await silentBuilds(database.reader, now - hour, mostBuilds);
  for (const build of builds) {
    if (build.updatedAt > now - build.pipeline.timeoutMinutes * 60_000 - hour) continue;
    await database.write(async (trx) => {
      await startAgain(trx, await startOf(trx, build));
      const { orgId, projectId, id: subjectId } = build;
      await allIncidents(trx).raise({ orgId, projectId, code: 'build_stuck', subjectId });
    });
  }
  for (const integration of await silentDeletions(database.reader, now - hour)) {
    await database.write(async (trx) => {
      await startAgain(trx, await deletionCommand(trx, integration));
      if (integration.updatedAt > now - deletionMs) return;
      const { orgId, projectId, id: subjectId } = integration;
      await allIncidents(trx).raise({ orgId, projectId, code: 'deletion_stuck', subjectId });
    });
  }
  await database.write(resolveMoot);
  await database.write(leaveUnseenToPerson);
}
