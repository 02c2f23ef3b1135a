import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import type { BuildEnd } from '../../domain/builds/run-conclusions.ts';
import type { Db } from '../store/connection.ts';
import type { Build } from './build-row.ts';

/**
 * Stores what GitHub says about the end of the build's run. Without this record, no build ends with the result of a
 * run.
 */
export async function recordRunEnd(db: Db, buildId: string, end: BuildEnd): Promise<void> {
  await db('builds')
    .where({ id: buildId, finished_at: null })
    .update({ run_end: JSON.stringify(end) });
}

/** The clocks of several hosts and of Temporal differ by less than this. */
const clockMarginMs = 30_000;

/**
 * Returns whether Fairlead may stop the build: a person or an operator has canceled it, or its pipeline's timeout has
 * passed.
 */
export function mayStop(build: Build, now = Date.now()): boolean {
  return build.cancelRequested || isPastTime(build, now);
}

function isPastTime({ createdAt, pipeline }: Build, now: number): boolean {
  return now >= createdAt + pipeline.timeoutMinutes * 60_000 - clockMarginMs;
}

/**
 * Returns the end that the database has decided, or nothing. The end that a workflow asks for decides nothing, because
 * an attacker who reaches Temporal can send any input and signal.
 */
export function decidedEnd(build: Build, asked: BuildEnd, now = Date.now()): BuildEnd | undefined {
  if (isFinalBuildStatus(build.status)) return undefined;
  const { status, reason = '' } = asked;
  if (stopReasons.has(reason)) {
    const isDecided = status === 'canceled' ? build.cancelRequested : isPastTime(build, now);
    if (isDecided) return asked;
  }
  return build.runEnd ?? undefined;
}

/** The ends that are Fairlead's own. All others are the result of the run. */
const stopReasons = new Set<string>([
  'canceled_by_request',
  'not_accepted_in_time',
  'pipeline_timeout',
  'run_not_found',
  'run_cancel_failed',
]);
