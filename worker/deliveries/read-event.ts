import { type GitHubEvent, isConsumed, readGitHubEvent } from '../../domain/deliveries/github-events.ts';
import { githubShape } from '../../domain/deliveries/github-shape.ts';
import { partsOf, pickJson } from '../../domain/deliveries/pick-json.ts';

/** Most webhooks are smaller. Parsing as a whole is faster, but a large hostile body would take seconds and gigabytes. */
const mostParsedWhole = 64 * 1024;

/**
 * Returns what a decision needs to know of a webhook. A large body is read in steps, so that nothing else waits, and
 * without a copy. A body that no decision needs is not read.
 */
async function read(event: string, body: Buffer): Promise<GitHubEvent> {
  if (!isConsumed(event)) return readGitHubEvent(event, {});
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

/** Lets others run between the steps. */
async function inSteps(steps: Generator<void, unknown>): Promise<unknown> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await new Promise(setImmediate);
  }
}
