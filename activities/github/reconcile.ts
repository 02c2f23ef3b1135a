import { startOf } from '../../db/builds/builds.ts';
import { leaveUnseenToPerson } from '../../db/deletion/integration-deletion.ts';
import {
  deletionCommand,
  requestReconciliations,
  resolveMoot,
  silentBuilds,
  silentDeletions,
  startAgain,
} from '../../db/github/reconcile.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import type { Database } from '../../db/store/connection.ts';
import { checkApp, type ReconcileDeps } from './check-app.ts';

export type { ReconcileDeps };

/** What the night is for. Each may run twice: it looks at what is, and writes what is true. */
export function reconcileActivities(deps: ReconcileDeps) {
  return {
    /** Has every App that is used compared with what GitHub says of it. */
    async requestReconciliations(): Promise<void> {
      await deps.database.write(requestReconciliations);
    },

    async sweepStuck(): Promise<void> {
      await sweepStuck(deps.database);
    },

    async checkApp({ githubAppId }: { githubAppId: string }): Promise<void> {
      await checkApp(deps, githubAppId);
    },
  };
}

const hour = 3_600_000;

/** A deletion that waits for its provider says nothing for days; one that goes on longer than that is stuck. */
const deletionMs = 8 * 24 * hour;

/** In one night. */
const mostBuilds = 1_000;

/**
 * Looks for what stands still although nothing holds it: its workflow is started once more, if it has been lost. Where
 * that is not enough, a person is told.
 */
export async function sweepStuck(database: Database, now = Date.now()): Promise<void> {
  const builds = await silentBuilds(database.reader, now - hour, mostBuilds);
  for (const build of builds) {
    if (build.updatedAt > now - build.pipeline.timeoutMinutes * 60_000 - hour) continue;
    await database.write(async (trx) => {
      await startAgain(trx, startOf(build));
      const { orgId, projectId, id: subjectId } = build;
      await allIncidents(trx).raise({ orgId, projectId, code: 'build_stuck', subjectId });
    });
  }
  for (const integration of await silentDeletions(database.reader, now - hour)) {
    await database.write(async (trx) => {
      await startAgain(trx, deletionCommand(integration));
      if (integration.updated_at > now - deletionMs) return;
      const { org_id: orgId, project_id: projectId, id: subjectId } = integration;
      await allIncidents(trx).raise({ orgId, projectId, code: 'deletion_stuck', subjectId });
    });
  }
  await database.write(resolveMoot);
  await database.write(leaveUnseenToPerson);
}
