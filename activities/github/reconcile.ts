import { requestReconciliations } from '../../db/github/reconcile.ts';
import { withHeartbeats } from '../heartbeats.ts';
import { checkApp, type ReconcileDeps } from './check-app.ts';
import { sweepStuck } from './sweep.ts';

export type { ReconcileDeps };

/** What the night is for. Each may run twice: it looks at what is, and writes what is true. */
export function reconcileActivities(deps: ReconcileDeps) {
  return {
    /** Has every App that is used compared with what GitHub says of it. */
    async requestReconciliations(): Promise<void> {
      await deps.database.write(requestReconciliations);
    },

    async sweepStuck(): Promise<void> {
      await withHeartbeats(() => sweepStuck(deps.database));
    },

    async checkApp({ githubAppId }: { githubAppId: string }): Promise<void> {
      await withHeartbeats(() => checkApp(deps, githubAppId), githubAppId);
    },
  };
}
