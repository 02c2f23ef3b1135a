import type { Leaving, Limit } from '../../providers/github/traffic.ts';

/** The part of each hour's limit that is reserved for waiting people. */
const reserve = 0.1;
/** GitHub limits by the hour. A host that names a longer period is not believed. */
const longestMs = 3_660_000;

/**
 * What GitHub accepts, a part of it at once and the rest evenly: 900 points and 80 visible writes in any minute, and 500
 * visible writes in any hour. A read costs one point, a write five.
 * https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
 */
const paces = {
  content: { atOnce: 40, everyMs: 1_500 },
  contentOfHour: { atOnce: 100, everyMs: 3_600_000 / 400 },
  points: { atOnce: 450, everyMs: 60_000 / 450 },
};
/** Visible writes use only this share of the points that can be used at once, so that dispatches find room. */
const partForContent = 0.5;
type Pace = keyof typeof paces;
const paceNames = Object.keys(paces) as Pace[];
const pointsOf = { read: 1, control: 5, content: 5 };
/** A request that would wait longer fails and is retried later. */
const longestRestMs = 1_000;
/** The longest time until a request is retried, no matter how many requests wait. */
const longestTurnMs = 600_000;

type Account = {
  limit?: number;
  remaining?: number;
  resetAt: number;
  /** The time of the request whose response contained these figures. */
  toldTo: number;
  blocked?: { code: Limit['code']; until: number };
  /** The time at which the budget is full again. */
  paidUntil: Record<Pace, number>;
  /** The same after all waiting requests, separately for visible writes and for other requests. */
  promisedUntil: Record<'content' | 'other', Record<Pace, number>>;
};

export type Verdict = { limit: Limit } | { restMs: number };

/** The remaining rate limits of the accounts of one host, from its answers. Times are of a monotonic clock. */
export function createQuota(now: () => number, mostAccounts = 10_000) {
  const accounts = new Map<string, Account>();

  function accountOf(name: string): Account {
    const account = accounts.get(name) ?? {
      resetAt: 0,
      toldTo: Number.NEGATIVE_INFINITY,
      paidUntil: nothingYet(),
      promisedUntil: { content: nothingYet(), other: nothingYet() },
    };
    accounts.delete(name);
    accounts.set(name, account);
    const [oldest] = accounts.keys();
    if (accounts.size > mostAccounts && oldest !== undefined) accounts.delete(oldest);
    return account;
  }

  return {
    /** Counts the request if it may be sent, at once or after a pause. */
    admit(name: string, { urgent, effect }: Pick<Leaving, 'urgent' | 'effect'>): Verdict {
      const account = accountOf(name);
      const at = now();
      const { blocked, limit, remaining, resetAt } = account;
      if (blocked && blocked.until > at) {
        return { limit: { code: blocked.code, retryAfterMs: Math.ceil(blocked.until - at) } };
      }
      const knows = limit !== undefined && remaining !== undefined && resetAt > at;
      if (knows && remaining <= (urgent ? 0 : limit * reserve)) {
        return { limit: { code: 'rate_limited', retryAfterMs: Math.ceil(resetAt - at) } };
      }
      // A host without rate limits needs no pauses either.
      if (limit === undefined) return { restMs: 0 };
      const price = priceOf(effect);
      const restMs = Math.max(0, Math.ceil(freeAt(account.paidUntil, price) - at));
      if (restMs > longestRestMs) {
        const waitMs = urgent ? restMs : turnOf(account, price, at + longestRestMs + longestTurnMs) - at;
        return { limit: { code: 'secondary_limited', retryAfterMs: Math.ceil(waitMs - longestRestMs) } };
      }
      for (const each of paceNames) {
        account.paidUntil[each] = Math.max(account.paidUntil[each], at) + price[each] * paces[each].everyMs;
      }
      if (knows) account.remaining = remaining - 1;
      return { restMs };
    },

    /**
     * `hostNow` is the host's own time. Its reset times refer to that clock. `sentAt` orders the responses, which can
     * overtake each other.
     */
    learn(name: string, headers: Headers, hostNow: number, limit?: Limit, sentAt = hostNow): void {
      const account = accountOf(name);
      const at = now();
      // Without its hourly limit for searches, an account can still do everything else.
      if (limit && (limit.code !== 'rate_limited' || isOfCore(headers))) {
        const until = at + Math.min(limit.retryAfterMs, longestMs);
        if (!account.blocked || account.blocked.until < until) account.blocked = { code: limit.code, until };
      }
      const said = figuresIn(headers);
      if (!said || said.limit <= 0 || said.remaining > said.limit) return;
      const leftMs = said.resetSeconds * 1000 - hostNow;
      // Such an hour has already ended, or is too long to be one.
      if (leftMs <= 0 || leftMs > longestMs) return;
      const resetAt = at + leftMs;
      // Within one hour the smallest remainder counts. An earlier request says nothing about a later hour.
      const sameHour = account.remaining !== undefined && Math.abs(resetAt - account.resetAt) < 2_000;
      if (!sameHour && sentAt < account.toldTo) return;
      account.remaining = sameHour ? Math.min(account.remaining ?? 0, said.remaining) : said.remaining;
      account.limit = said.limit;
      account.resetAt = resetAt;
      account.toldTo = Math.max(account.toldTo, sentAt);
    },
  };
}

/** Returns what a request of this kind costs from each budget. */
function priceOf(effect: Leaving['effect']): Record<Pace, number> {
  const seen = effect === 'content' ? 1 : 0;
  return { content: seen, contentOfHour: seen, points: pointsOf[effect] };
}

function nothingYet(): Record<Pace, number> {
  return { content: 0, contentOfHour: 0, points: 0 };
}

/** Returns the time from which all budgets have room for the request. */
function freeAt(usedUntil: Record<Pace, number>, price: Record<Pace, number>): number {
  const times = paceNames.map((pace) => {
    if (price[pace] === 0) return 0;
    const { atOnce, everyMs } = paces[pace];
    const part = pace === 'points' && price.content > 0 ? partForContent : 1;
    return usedUntil[pace] + (price[pace] - atOnce * part) * everyMs;
  });
  return Math.max(...times);
}

/**
 * Returns the time at which the request can be sent, after all requests that are already waiting. Prevents waiting
 * requests from retrying at the same moment, when all but one would be refused. Visible writes come after all others.
 */
function turnOf({ paidUntil, promisedUntil }: Account, price: Record<Pace, number>, latest: number): number {
  const own = promisedUntil[price.content > 0 ? 'content' : 'other'];
  const before = nothingYet();
  for (const pace of paceNames) before[pace] = Math.max(paidUntil[pace], own[pace], promisedUntil.other[pace]);
  const turn = freeAt(before, price);
  if (turn > latest) return latest;
  for (const pace of paceNames) {
    if (price[pace] > 0) own[pace] = before[pace] + price[pace] * paces[pace].everyMs;
  }
  return turn;
}

/** Returns whether these figures are of the hourly limit. Searches and similar calls have limits of their own. */
function isOfCore(headers: Headers): boolean {
  return (headers.get('x-ratelimit-resource') ?? 'core') === 'core';
}

function figuresIn(headers: Headers): { limit: number; remaining: number; resetSeconds: number } | undefined {
  if (!isOfCore(headers)) return undefined;
  const [limit, remaining, resetSeconds] = ['limit', 'remaining', 'reset'].map((name) => {
    const value = headers.get(`x-ratelimit-${name}`);
    return value !== null && /^\d{1,12}$/.test(value) ? Number(value) : undefined;
  });
  if (limit === undefined || remaining === undefined || resetSeconds === undefined) return undefined;
  return { limit, remaining, resetSeconds };
}
