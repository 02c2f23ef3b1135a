import { adoptRun } from '../../db/builds/build-runs.ts';
import { buildsIn } from '../../db/builds/builds.ts';
import { dispatchesIn } from '../../db/builds/dispatches.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { everything } from '../../db/store/tenant.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';

/**
 * What is true after an attempt to start a build's run. `running`: the run is known. `accepted`: GitHub took it
 * without saying which run it is. `later`: certainly nothing was sent, and it may be tried again. `unknown`: look for
 * the run, never send again. `over`: the build has ended, here or elsewhere.
 */
export type Sent =
  | { outcome: 'running' | 'accepted' | 'unknown' | 'over' }
  | { outcome: 'later'; retryAfterMs: number; code: string };

/** The pause before the next attempt after one that died before it sent anything. */
const pauseMs = 5_000;

/**
 * Reads the outcome of an attempt that is over from what it wrote down. An intent proves that nothing was sent. A
 * call that was on its way has an unknown outcome, unless the run has shown itself by its webhook since.
 */
export async function settle(trx: Transaction, buildId: string): Promise<Sent> {
  const build = await buildsIn(trx, everything).find(buildId);
  const dispatch = await dispatchesIn(trx).find(buildId);
  if (!build || isFinalBuildStatus(build.status) || dispatch?.state === 'refused') return { outcome: 'over' };
  if (!dispatch || dispatch.state === 'intent') return { outcome: 'later', retryAfterMs: pauseMs, code: 'interrupted' };

  if (build.runId !== null) {
    await dispatchesIn(trx).move(buildId, 'sent', { runId: build.runId });
    await adoptRun(trx, build, { runId: build.runId });
    return { outcome: 'running' };
  }
  if (dispatch.state === 'sent') return { outcome: 'accepted' };
  await dispatchesIn(trx).move(buildId, 'unknown', { code: 'interrupted' });
  return { outcome: 'unknown' };
}
