import type { GitHubBroker } from '../../broker/github/github.ts';
import { deliveryLogIn } from '../../db/deliveries/delivery-log.ts';
import { headChecksIn } from '../../db/deliveries/ref-heads.ts';
import { armFailedDeliveries } from '../../db/deliveries/store-deliveries.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import type { Database } from '../../db/store/connection.ts';
import {
  isPastWindow,
  type LoggedAttempt,
  logOverlapMs,
  type Missed,
  missedIn,
  shortLogOverlapMs,
} from '../../domain/deliveries/delivery-log.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { ProviderError } from '../../providers/failure.ts';
import { type AsApp, pull } from './pull.ts';

export type LogDeps = {
  database: Database;
  broker: Pick<GitHubBroker, 'asApp'>;
  /** Whether GitHub can reach Fairlead. Then GitHub redelivers some missing deliveries, which also tests the path. */
  reachable: boolean;
};

export type LogPart = {
  githubAppId: string;
  cursor?: string | undefined;
  begunAt: number;
  /** Reads further back behind the watermark, and retries deliveries that failed here. */
  thorough: boolean;
  /** The reading ends after this time or when the signal aborts, but always reads a little. */
  limitMs?: number;
  signal?: AbortSignal;
};

/** The result of one reading. `next` is the start of the older part, and `again` says whether anything is left. */
export type LogReading = {
  recovered: number;
  sentAgain: number;
  next: string | null;
  again: boolean;
  /** When the reading of the whole log began, by the earlier of the two clocks. The next part needs it. */
  begunAt?: number;
};

export const nothingRead: LogReading = { recovered: 0, sentAgain: 0, next: null, again: false };

/** The limits of one reading. A downtime of a day takes many readings. */
const mostPages = 30;
const mostRecovered = 500;
/** GitHub allows 80 writes a minute, and many more reads. */
const mostSentAgain = 20;
/** A delivery can appear in the log a moment after it was sent. */
const settleMs = 60_000;

/**
 * Reads the App's log of deliveries back to the watermark, and gets the missing ones. GitHub redelivers them, or they
 * are read from the log with the App's own key, which needs no signature. GitHub's own ID removes duplicates, so a
 * second reading is harmless.
 */
export async function readLog(deps: LogDeps, part: LogPart): Promise<LogReading> {
  const { database, broker, reachable } = deps;
  const { githubAppId, cursor, thorough, limitMs = Number.MAX_SAFE_INTEGER, signal } = part;
  const startedAt = Date.now();
  const isOver = (share: number) => signal?.aborted === true || Date.now() - startedAt > limitMs * share;
  const app = await githubAppsIn(database.reader).find(githubAppId);
  if (!app) return nothingRead;
  const github = await broker.asApp(githubAppId);
  const wanted = await noteLoss(database, app, part.begunAt);
  const overlapMs = thorough ? logOverlapMs : shortLogOverlapMs;

  const {
    attempts,
    next,
    since,
    now: theirNow,
  } = await scan(github, { wanted, overlapMs, isOver: () => isOver(0.5) }, cursor);
  // The log has the times of GitHub's clock. If our clock were ahead, later deliveries would count as known.
  const begunAt = Math.min(part.begunAt, theirNow);
  const known = await deliveryLogIn(database.reader).known(githubAppId, [...new Set(attempts.map(({ guid }) => guid))]);
  const failed = [...known].filter(([, status]) => status === 'failed').map(([guid]) => guid);
  if (thorough && failed.length > 0) {
    await database.write((trx) => armFailedDeliveries(trx, githubAppId, failed));
  }
  const missed = missedIn(attempts, (guid) => known.has(guid)).filter(({ deliveredAt }) => deliveredAt >= since);
  const now = missed.slice(0, mostRecovered);
  // Redelivery needs the whole log in sight, so that the next reading notices what did not arrive.
  const inSight = reachable && cursor === undefined && next === undefined;
  const again = inSight ? now.filter(({ sentAgain }) => !sentAgain).slice(0, mostSentAgain) : [];
  const underWay = await sendAgain(github, again);
  const toRead = now.filter((one) => !underWay.includes(one));
  const read = await pull(database, github, githubAppId, toRead, () => isOver(1));

  const isLeft = missed.length > now.length || read < toRead.length;
  const isWhole = next === undefined && !isLeft;
  // A redelivery can still fail. The watermark stays before it, so the next reading looks for it.
  const completeUntil = Math.min(begunAt - settleMs, ...underWay.map(({ deliveredAt }) => deliveredAt - 1));
  if (isWhole) await database.write((trx) => deliveryLogIn(trx).advance(githubAppId, completeUntil, theirNow));
  return {
    recovered: read,
    sentAgain: underWay.length,
    next: isLeft ? (cursor ?? null) : (next ?? null),
    again: !isWhole,
    begunAt,
  };
}

/**
 * Returns the time from which the log is needed. If the log no longer reaches back that far, it notes that the branches
 * must be compared. The first reading moves the watermark, so a later one could not notice the gap.
 */
export async function noteLoss(database: Database, app: GithubApp, now: number): Promise<number> {
  // Before a new App was connected, its log has nothing that belongs to Fairlead.
  const since = (await deliveryLogIn(database.reader).completeUntil(app.id)) ?? app.createdAt;
  const isServer = githubHost(app.hostUrl, app.apiUrl).flavour === 'ghes';
  if (isPastWindow(since, isServer, now)) await database.write((trx) => headChecksIn(trx).want(app.id));
  return since;
}

type Scanned = { attempts: LoggedAttempt[]; next: string | undefined; since: number; now: number };

/** Reads the newest entries first, back to a little before `wanted`. `now` is GitHub's time at the first page. */
async function scan(
  github: AsApp,
  { wanted, overlapMs, isOver }: { wanted: number; overlapMs: number; isOver: () => boolean },
  from: string | undefined,
): Promise<Scanned> {
  const attempts: LoggedAttempt[] = [];
  let cursor = from;
  let now: number | undefined;
  let since = wanted;
  for (let page = 0; page < mostPages && (page === 0 || !isOver()); page += 1) {
    const read = await github.listHookDeliveries(cursor);
    if (page === 0) {
      now = read.now;
      since = Math.min(wanted, (now ?? wanted) - settleMs) - overlapMs;
    }
    attempts.push(...read.entries);
    cursor = read.next;
    const oldest = read.entries.at(-1)?.deliveredAt ?? 0;
    if (oldest < since) cursor = undefined;
    if (cursor === undefined) break;
  }
  return { attempts, next: cursor, since, now: now ?? Number.MAX_SAFE_INTEGER };
}

/** Returns the deliveries that GitHub agreed to redeliver. GitHub refuses some that the log still has. */
async function sendAgain(github: AsApp, missed: Missed[]): Promise<Missed[]> {
  const underWay: Missed[] = [];
  for (const one of missed) {
    try {
      await github.redeliver(one.attemptId);
      underWay.push(one);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      // The rest is read from the log.
      return underWay;
    }
  }
  return underWay;
}
