import { setTimeout as sleep } from 'node:timers/promises';
import { deliveryLogIn } from '../../db/deliveries/delivery-log.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { ProviderError } from '../../providers/failure.ts';
import { isPassing } from '../failures.ts';
import { type LogDeps, readLog } from './read-log.ts';
import { createSlots } from './slots.ts';

export type Following = {
  everyMs: number;
  /** How long one App may take of a round. */
  limitMs?: number;
  onTrouble(githubAppId: string, error: unknown): void;
};

export type LogFollower = {
  /** Begins with every App that is not still being read; each tells whether anything came. */
  round(): Promise<Promise<boolean>[]>;
  /** Waits a little for those that are being read: what is not stored then is read by whoever comes next. */
  stop(): Promise<void>;
};

/** A log that is being read part by part. */
type Place = { cursor: string | undefined; begunAt: number; part: number };

const atOnce = 20;
/** More than a log can have: then it is begun anew, since what is new is at its other end. */
const mostParts = 200;
/** A log that could not be read is left alone for so long, or for longer where GitHub says so. */
const restMs = 15_000;
/** Until a person has changed something, it will not be different. */
const longRestMs = 5 * 60_000;
const stopMs = 2_000;

/**
 * Reads the log of every App, one process at a time: where GitHub cannot reach us, this is how webhooks come. Hosts are
 * anyone's, so none is waited for by the others: an App has one part of its log read in a round, within a time, and goes
 * on from there in the next. Only what is new is looked at; `recoverDeliveries` looks for what was overlooked.
 */
export function createLogFollower(deps: LogDeps, following: Following): LogFollower {
  const { everyMs, limitMs = 8_000, onTrouble } = following;
  const { database } = deps;
  const underWay = new Map<string, Promise<boolean>>();
  const places = new Map<string, Place>();
  const slots = createSlots(atOnce, limitMs);
  const stopping = new AbortController();

  async function follow({ id, createdAt }: GithubApp): Promise<boolean> {
    if (!(await isDue(id, createdAt))) return false;
    return slots.use(async () => {
      if (stopping.signal.aborted) return false;
      if (!(await database.write((trx) => deliveryLogIn(trx).claimPoll(id, everyMs)))) return false;
      try {
        return await readPart(id);
      } catch (error) {
        places.delete(id);
        onTrouble(id, error);
        const until = Date.now() + restAfter(error);
        await database.write((trx) => deliveryLogIn(trx).rest(id, until, everyMs));
        return false;
      }
    });
  }

  async function isDue(id: string, createdAt: number): Promise<boolean> {
    const log = deliveryLogIn(database.reader);
    if ((await log.completeUntil(id)) === undefined) {
      await database.write((trx) => deliveryLogIn(trx).begin(id, createdAt));
    }
    return log.isPollDue(id, everyMs);
  }

  async function readPart(githubAppId: string): Promise<boolean> {
    const { cursor, begunAt, part } = places.get(githubAppId) ?? { cursor: undefined, begunAt: Date.now(), part: 1 };
    const limits = { limitMs, signal: stopping.signal };
    const reading = await readLog(deps, { githubAppId, cursor, begunAt, thorough: false, ...limits });
    places.delete(githubAppId);
    if (reading.again && part < mostParts) {
      const next = { cursor: reading.next ?? undefined, begunAt: reading.begunAt ?? begunAt, part: part + 1 };
      places.set(githubAppId, next);
    }
    return reading.recovered > 0;
  }

  return {
    async round() {
      const apps = await githubAppsIn(database.reader).list();
      const begun = apps.filter(({ id }) => !underWay.has(id) && !stopping.signal.aborted);
      return begun.map((app) => {
        const followed = follow(app)
          .catch((error: unknown) => {
            // Our own database; when stopping it may be closed already.
            if (!stopping.signal.aborted) onTrouble(app.id, error);
            return false;
          })
          .finally(() => underWay.delete(app.id));
        underWay.set(app.id, followed);
        return followed;
      });
    },

    async stop() {
      stopping.abort();
      const waited = new AbortController();
      const longEnough = sleep(stopMs, undefined, { signal: waited.signal }).catch(() => undefined);
      await Promise.race([Promise.all(underWay.values()), longEnough]);
      waited.abort();
    },
  };
}

function restAfter(error: unknown): number {
  if (!isPassing(error)) return longRestMs;
  return Math.max(restMs, error instanceof ProviderError ? (error.retryAfterMs ?? 0) : 0);
}
