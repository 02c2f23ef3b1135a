import { deliveryLogIn } from '../../db/delivery-log.ts';
import { type GithubApp, githubAppsIn } from '../../db/github-apps.ts';
import { ProviderError } from '../../providers/http.ts';
import { isPassing } from '../failures.ts';
import { type LogDeps, readLog } from './read-log.ts';

export type Following = { everyMs: number; onTrouble(githubAppId: string, error: unknown): void };

const atOnce = 10;
/** Of one reading: after that the other Apps have their turn, and this one again. */
const mostParts = 10;
/** A log that could not be read is left alone for so long, or for longer where GitHub says so. */
const restMs = 15_000;
/** Until a person has changed something, it will not be different. */
const longRestMs = 5 * 60_000;

/**
 * Reads the log of every App, one process at a time: where GitHub cannot reach us, this is how webhooks come. Answers
 * whether anything came. An App whose log cannot be read does not hold up the others. Only what is new is looked at;
 * `recoverDeliveries` looks for what was overlooked.
 */
export async function followLogs(deps: LogDeps, following: Following): Promise<boolean> {
  let came = false;
  const apps = await githubAppsIn(deps.database.reader).list();
  for (let at = 0; at < apps.length; at += atOnce) {
    const followed = apps.slice(at, at + atOnce).map((app) => followLog(deps, app, following));
    came = (await Promise.all(followed)).includes(true) || came;
  }
  return came;
}

async function followLog(
  deps: LogDeps,
  { id: githubAppId, createdAt }: GithubApp,
  { everyMs, onTrouble }: Following,
): Promise<boolean> {
  const { database } = deps;
  const log = deliveryLogIn(database.reader);
  if ((await log.completeUntil(githubAppId)) === undefined) {
    await database.write((trx) => deliveryLogIn(trx).begin(githubAppId, createdAt));
  }
  if (!(await log.isPollDue(githubAppId, everyMs))) return false;
  if (!(await database.write((trx) => deliveryLogIn(trx).claimPoll(githubAppId, everyMs)))) return false;
  try {
    return await readWhole(deps, githubAppId);
  } catch (error) {
    onTrouble(githubAppId, error);
    const until = Date.now() + restAfter(error);
    await database.write((trx) => deliveryLogIn(trx).rest(githubAppId, until, everyMs));
    return false;
  }
}

function restAfter(error: unknown): number {
  if (!isPassing(error)) return longRestMs;
  return Math.max(restMs, error instanceof ProviderError ? (error.retryAfterMs ?? 0) : 0);
}

async function readWhole(deps: LogDeps, githubAppId: string): Promise<boolean> {
  let begunAt = Date.now();
  let came = false;
  let cursor: string | undefined;
  for (let again = true, part = 1; again && part <= mostParts; part += 1) {
    const reading = await readLog(deps, { githubAppId, cursor, begunAt, thorough: false });
    came ||= reading.recovered > 0;
    again = reading.again;
    cursor = reading.next ?? undefined;
    begunAt = reading.begunAt ?? begunAt;
  }
  return came;
}
