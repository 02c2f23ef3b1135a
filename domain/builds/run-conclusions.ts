import type { BuildReason } from './build-reasons.ts';
import type { BuildStatus } from './build-status.ts';

/** How a build ends, with a stable code if the status alone does not say why. */
export type BuildEnd = {
  status: Extract<BuildStatus, 'succeeded' | 'failed' | 'timed_out' | 'canceled'>;
  reason?: BuildReason;
};

/**
 * The build status for a run's conclusion. Neutral and skipped count as success, as they do for GitHub's required
 * checks; the reason distinguishes them. GitHub documents no other conclusions. A future one counts as a failure,
 * because it does not state success.
 */
const ends: Record<string, BuildEnd> = {
  success: { status: 'succeeded' },
  neutral: { status: 'succeeded', reason: 'run_neutral' },
  skipped: { status: 'succeeded', reason: 'run_skipped' },
  failure: { status: 'failed', reason: 'run_failed' },
  startup_failure: { status: 'failed', reason: 'run_startup_failure' },
  action_required: { status: 'failed', reason: 'run_action_required' },
  stale: { status: 'failed', reason: 'run_stale' },
  timed_out: { status: 'timed_out', reason: 'run_timed_out' },
  cancelled: { status: 'canceled', reason: 'run_canceled' },
};

/** Returns how the build of this run ends, or undefined while the run is in progress. */
export function endOfRun(run: {
  status?: string | undefined;
  conclusion?: string | undefined | null;
}): BuildEnd | undefined {
  if (run.status !== 'completed') return undefined;
  const conclusion = run.conclusion ?? '';
  if (Object.hasOwn(ends, conclusion)) return ends[conclusion];
  return { status: 'failed', reason: 'run_conclusion_unknown' };
}
