import { heartbeat } from '@temporalio/activity';

const everyMs = 3_000;

/**
 * Shows Temporal that this process lives, so that a death is noticed in seconds and not at the activity's limit.
 * `details` say to whoever looks at the workflow what it is about.
 */
export async function withHeartbeats<Result>(work: () => Promise<Result>, details?: unknown): Promise<Result> {
  heartbeat(details);
  const timer = setInterval(() => heartbeat(details), everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
