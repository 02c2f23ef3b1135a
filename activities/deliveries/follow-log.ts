import { setTimeout as sleep } from 'node:timers/promises';
import { deliveryLogIn } from '../../db/deliveries/delivery-log.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { ProviderError } from '../../providers/failure.ts';
import { isPassing } from '../failures.ts';
import { type LogDeps, readLog } from './read-log.ts';
import { createSlots } from './slots.ts';

export type Following = {
  everyMs: number;
  /** How long one App can take in a round. */
  limitMs?: number;
  onTrouble(githubAppId: string, error: unknown): void;
};

export type LogFollower = {
  /** Starts with every App that is not being read already. Each promise says whether anything arrived. */
  round(): Promise<Promise<boolean>[]>;
  /** Waits briefly for the Apps that are being read. The next process reads what is not stored by then. */
  stop(): Promise<void>;
};

/** The position in a log that is read in parts. */
type Place = { cursor: string | undefined; begunAt: number; part: number };

const atOnce = 20;
/** More parts than a log can have. After that the reading starts again, because new deliveries are at the other end. */
const mostParts = 200;
/** The pause after a log could not be read. GitHub can ask for a longer one. */
const restMs = 15_000;
/** The pause after a failure that a person must fix. */
const longRestMs = 5 * 60_000;
const stopMs = 2_000;

/**
 * Reads the log of every App in one process at a time. If GitHub cannot reach Fairlead, webhooks arrive this way. A
 * slow host must not delay the others, so each App has one part of its log read per round, within a time limit. This
 * reads only new entries. `recoverDeliveries` looks for older ones.
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
      const apps = await githubAppsIn(database.reader).listInUse();
      const begun = apps.filter(({ id }) => !underWay.has(id) && !stopping.signal.aborted);
      return begun.map((app) => {
        const followed = follow(app)
          .catch((error: unknown) => {
            // The database can already be closed during a stop.
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
