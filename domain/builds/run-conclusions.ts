import type { BuildStatus } from './build-status.ts';

/** How a build ends, and a stable code where the status alone does not say why. */
export type BuildEnd = {
  status: Extract<BuildStatus, 'succeeded' | 'failed' | 'timed_out' | 'canceled'>;
  reason?: string;
};

/**
 * What a run's conclusion means for its build. Neutral and skipped count as a success, as they do for GitHub's own
 * required checks; the reason keeps them apart. GitHub documents no other conclusions than these; one that it adds
 * later is a failure, because nobody said that it succeeded.
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

/** How the build of this run ends; undefined while the run goes on. */
export function endOfRun(run: {
  status?: string | undefined;
  conclusion?: string | undefined | null;
}): BuildEnd | undefined {
  if (run.status !== 'completed') return undefined;
  const conclusion = run.conclusion ?? '';
  if (Object.hasOwn(ends, conclusion)) return ends[conclusion];
  return { status: 'failed', reason: 'run_conclusion_unknown' };
}
