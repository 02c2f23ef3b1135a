import { heartbeat } from '@temporalio/activity';

const everyMs = 3_000;

/** Shows Temporal that this process lives, so that a death is noticed in seconds and not at the activity's limit. */
export async function withHeartbeats<Result>(work: () => Promise<Result>): Promise<Result> {
  heartbeat();
  const timer = setInterval(() => heartbeat(), everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
