import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { type GitHubEvent, isConsumed, readGitHubEvent } from '../../domain/deliveries/github-events.ts';
import { githubShape } from '../../domain/deliveries/github-shape.ts';
import { partsOf, pickJson } from '../../domain/deliveries/pick-json.ts';

/**
 * Most webhooks are smaller. Parsing them as a whole is faster. A large hostile body would take seconds and gigabytes.
 */
const mostParsedWhole = 64 * 1024;
/** The relay pauses after each further step, for `pauseTimes` as long as the step took. */
const quickSteps = 4;
const pauseTimes = 4;

/**
 * Returns what a decision needs to know of a webhook. Reads a large body in steps and without a copy, so that nothing
 * else waits. Does not read a body that no decision needs.
 */
async function read(event: string, body: Buffer | undefined): Promise<GitHubEvent> {
  if (!isConsumed(event)) return readGitHubEvent(event, {});
  if (body === undefined) return { kind: 'body_missing' };
  try {
    const isSmall = body.length <= mostParsedWhole;
    const parts = isSmall
      ? partsOf(JSON.parse(body.toString()), githubShape)
      : await inSteps(pickJson(body, githubShape));
    return readGitHubEvent(event, parts);
  } catch {
    return { kind: 'malformed', reason: 'the body is not JSON' };
  }
}

export const eventSource = { needsBody: isConsumed, read };

/** Lets other work run between the steps. A large body leaves most of the time to other work. */
async function inSteps(steps: Generator<void, unknown>): Promise<unknown> {
  for (let count = 1; ; count += 1) {
    const startedAt = performance.now();
    const { done, value } = steps.next();
    if (done) return value;
    if (count <= quickSteps) await setImmediate();
    else await sleep((performance.now() - startedAt) * pauseTimes);
  }
}
