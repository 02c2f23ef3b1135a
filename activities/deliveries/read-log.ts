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
  /** Whether GitHub can reach us: then some of what is missing is sent again, which proves the way. */
  reachable: boolean;
};

export type LogPart = {
  githubAppId: string;
  cursor?: string | undefined;
  begunAt: number;
  /** Looks further back behind the watermark, and has decided anew what failed here. */
  thorough: boolean;
  /** After so long, or once it is told to, the reading ends with what it has got; at least a little of it is read. */
  limitMs?: number;
  signal?: AbortSignal;
};

/** One reading of the log. `next` is where an even older part of it begins, `again` whether anything is left to do. */
export type LogReading = {
  recovered: number;
  sentAgain: number;
  next: string | null;
  again: boolean;
  /** When the reading of the whole log began, by the earlier of the two clocks: for the next part. */
  begunAt?: number;
};

/** Of one reading: a day's downtime is many of them. */
const mostPages = 30;
const mostRecovered = 500;
/** GitHub allows 80 writes a minute, and much more to who only reads. */
const mostSentAgain = 20;
/** What GitHub has sent just now may be in the log a moment later. */
const settleMs = 60_000;

/**
 * Reads the App's log of deliveries back to what is known to be here, and gets what is missing: by having it sent
 * again, or out of the log itself, which comes through the App's own key and needs no signature. Everything is deduped
 * by GitHub's own id, so that reading twice, or beside the webhooks, is harmless.
 */
export async function readLog(deps: LogDeps, part: LogPart): Promise<LogReading> {
  const { database, broker, reachable } = deps;
  const { githubAppId, cursor, thorough, limitMs = Number.MAX_SAFE_INTEGER, signal } = part;
  const startedAt = Date.now();
  const isOver = (share: number) => signal?.aborted === true || Date.now() - startedAt > limitMs * share;
  const app = await githubAppsIn(database.reader).find(githubAppId);
  if (!app) return { recovered: 0, sentAgain: 0, next: null, again: false };
  const github = await broker.asApp(githubAppId);
  const wanted = await noteLoss(database, app, part.begunAt);
  const overlapMs = thorough ? logOverlapMs : shortLogOverlapMs;

  const {
    attempts,
    next,
    since,
    now: theirNow,
  } = await scan(github, { wanted, overlapMs, isOver: () => isOver(0.5) }, cursor);
  // The log is dated by GitHub's clock: were ours ahead, what comes until then would be taken for known.
  const begunAt = Math.min(part.begunAt, theirNow);
  const known = await deliveryLogIn(database.reader).known(githubAppId, [...new Set(attempts.map(({ guid }) => guid))]);
  const failed = [...known].filter(([, status]) => status === 'failed').map(([guid]) => guid);
  if (thorough && failed.length > 0) {
    await database.write((trx) => armFailedDeliveries(trx, githubAppId, failed));
  }
  const missed = missedIn(attempts, (guid) => known.has(guid)).filter(({ deliveredAt }) => deliveredAt >= since);
  const now = missed.slice(0, mostRecovered);
  // Only where the whole log is in sight: what does not come then is still seen to be missing by the next reading.
  const inSight = reachable && cursor === undefined && next === undefined;
  const again = inSight ? now.filter(({ sentAgain }) => !sentAgain).slice(0, mostSentAgain) : [];
  const underWay = await sendAgain(github, again);
  const toRead = now.filter((one) => !underWay.includes(one));
  const read = await pull(database, github, githubAppId, toRead, () => isOver(1));

  const isLeft = missed.length > now.length || read < toRead.length;
  const isWhole = next === undefined && !isLeft;
  // What is on its way may still not come: the watermark stays before it, and the next reading looks for it.
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
 * Answers from when on the log is wanted. Where that is longer ago than the log remembers, it is written down that
 * the heads are to be looked at: whoever reads the log first moves the watermark, and nobody could tell any more.
 */
export async function noteLoss(database: Database, app: GithubApp, now: number): Promise<number> {
  // Of a new App the log holds nothing that is ours before it was connected.
  const since = (await deliveryLogIn(database.reader).completeUntil(app.id)) ?? app.createdAt;
  const isServer = githubHost(app.hostUrl, app.apiUrl).flavour === 'ghes';
  if (isPastWindow(since, isServer, now)) await database.write((trx) => headChecksIn(trx).want(app.id));
  return since;
}

type Scanned = { attempts: LoggedAttempt[]; next: string | undefined; since: number; now: number };

/** Newest first, back to a little before `wanted`. `now` is by GitHub's clock at the first page. */
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

/** Those that GitHub has agreed to send; it says no to some that it could still be read of. */
async function sendAgain(github: AsApp, missed: Missed[]): Promise<Missed[]> {
  const underWay: Missed[] = [];
  for (const one of missed) {
    try {
      await github.redeliver(one.attemptId);
      underWay.push(one);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      // Out of the log itself, then.
      return underWay;
    }
  }
  return underWay;
}
