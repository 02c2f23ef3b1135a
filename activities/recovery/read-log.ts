import type { GitHubBroker } from '../../broker/github.ts';
import type { Database } from '../../db/connection.ts';
import { deliveryLogIn } from '../../db/delivery-log.ts';
import { type GithubApp, githubAppsIn } from '../../db/github-apps.ts';
import { type NewDelivery, storeDeliveries } from '../../db/store-deliveries.ts';
import { type LoggedAttempt, logOverlapMs, type Missed, missedIn } from '../../domain/delivery-log.ts';
import { ProviderError } from '../../providers/http.ts';

export type LogDeps = {
  database: Database;
  broker: Pick<GitHubBroker, 'asApp'>;
  /** Whether GitHub can reach us: then some of what is missing is sent again, which proves the way. */
  reachable: boolean;
};

/** One reading of the log. `next` is where an even older part of it begins, `again` whether anything is left to do. */
export type LogReading = { recovered: number; sentAgain: number; next: string | null; again: boolean };

type AsApp = Awaited<ReturnType<GitHubBroker['asApp']>>;

/** Of one reading: a day's downtime is many of them. */
const mostPages = 30;
const mostRecovered = 500;
/** GitHub allows 80 writes a minute, and much more to who only reads. */
const mostSentAgain = 20;
const atOnce = 5;
const perCommit = 25;
/** What GitHub has sent just now may be in the log a moment later. */
const settleMs = 60_000;

/** The same headers that a webhook's row keeps, and nothing of the signature. */
const keptHeaders = [
  'x-github-hook-id',
  'x-github-hook-installation-target-type',
  'x-github-hook-installation-target-id',
];

/**
 * Reads the App's log of deliveries back to what is known to be here, and gets what is missing: by having it sent
 * again, or out of the log itself, which comes through the App's own key and needs no signature. Everything is deduped
 * by GitHub's own id, so that reading twice, or beside the webhooks, is harmless.
 */
export async function readLog(
  deps: LogDeps,
  { githubAppId, cursor, begunAt }: { githubAppId: string; cursor?: string | undefined; begunAt: number },
): Promise<LogReading> {
  const { database, broker, reachable } = deps;
  const app = await githubAppsIn(database.reader).find(githubAppId);
  if (!app) return { recovered: 0, sentAgain: 0, next: null, again: false };
  const github = await broker.asApp(githubAppId);
  const since = (await sinceOf(database, app)) - logOverlapMs;

  const { attempts, next } = await scan(github, since, cursor);
  const known = await deliveryLogIn(database.reader).known(githubAppId, [...new Set(attempts.map(({ guid }) => guid))]);
  const missed = missedIn(attempts, (guid) => known.has(guid)).filter(({ deliveredAt }) => deliveredAt >= since);
  const now = missed.slice(0, mostRecovered);
  // Only where the whole log is in sight: what does not come then is still seen to be missing by the next reading.
  const inSight = reachable && cursor === undefined && next === undefined;
  const again = inSight ? now.filter(({ sentAgain }) => !sentAgain).slice(0, mostSentAgain) : [];
  const underWay = await sendAgain(github, again);
  const toRead = now.filter((one) => !underWay.includes(one));
  await pull(database, github, githubAppId, toRead);

  const isWhole = next === undefined && missed.length === now.length;
  // What is on its way may still not come: the watermark stays before it, and the next reading looks for it.
  const completeUntil = Math.min(begunAt - settleMs, ...underWay.map(({ deliveredAt }) => deliveredAt - 1));
  if (isWhole) await database.write((trx) => deliveryLogIn(trx).advance(githubAppId, completeUntil));
  return {
    recovered: toRead.length,
    sentAgain: underWay.length,
    next: missed.length > now.length ? (cursor ?? null) : (next ?? null),
    again: !isWhole,
  };
}

/** Of a new App the log holds nothing that is ours before it was connected. */
export async function sinceOf(database: Database, app: GithubApp): Promise<number> {
  return (await deliveryLogIn(database.reader).completeUntil(app.id)) ?? app.createdAt;
}

/** Newest first, back to `since`. */
async function scan(
  github: AsApp,
  since: number,
  from: string | undefined,
): Promise<{ attempts: LoggedAttempt[]; next: string | undefined }> {
  const attempts: LoggedAttempt[] = [];
  let cursor = from;
  for (let page = 0; page < mostPages; page += 1) {
    const { entries, next } = await github.listHookDeliveries(cursor);
    attempts.push(...entries);
    const oldest = entries.at(-1)?.deliveredAt ?? 0;
    if (next === undefined || oldest < since) return { attempts, next: undefined };
    cursor = next;
  }
  return { attempts, next: cursor };
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

/** Oldest first, a few at once, and in commits of their own: what was got is kept, whatever happens later. */
async function pull(database: Database, github: AsApp, githubAppId: string, missed: Missed[]): Promise<void> {
  for (let at = 0; at < missed.length; at += perCommit) {
    const some = missed.slice(at, at + perCommit);
    const deliveries: (NewDelivery | undefined)[] = [];
    for (let from = 0; from < some.length; from += atOnce) {
      const few = some.slice(from, from + atOnce);
      deliveries.push(...(await Promise.all(few.map(({ attemptId }) => read(github, githubAppId, attemptId)))));
    }
    const found = deliveries.filter((one) => one !== undefined);
    if (found.length > 0) await database.write((trx) => storeDeliveries(trx, found));
  }
}

/** Nothing where the log has lost it meanwhile. */
async function read(github: AsApp, githubAppId: string, attemptId: number): Promise<NewDelivery | undefined> {
  const logged = await github.getHookDelivery(attemptId).catch((error: unknown) => {
    if (error instanceof ProviderError && error.status === 404) return undefined;
    throw error;
  });
  if (!logged) return undefined;
  const headers = keptHeaders.map((name) => [name, logged.headers[name]?.slice(0, 200)]);
  return {
    githubAppId,
    providerDeliveryId: logged.guid,
    event: logged.event,
    // Other bytes than those that were signed: the guid alone tells that it is the same.
    contentKey: null,
    headers: Object.fromEntries(headers.filter(([, value]) => value !== undefined)),
    body: Buffer.from(JSON.stringify(logged.payload)),
    origin: 'pulled',
  };
}
