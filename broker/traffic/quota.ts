import type { Leaving, Limit } from '../../providers/github/traffic.ts';

/** Kept back of each hour for what persons wait for. */
const reserve = 0.1;
/** GitHub's limits are by the hour; a host that says more is not believed. */
const longestMs = 3_660_000;

/**
 * What GitHub takes in any minute, half of it at once and the rest evenly: 80 writes that others see, and 900 points,
 * of which a read is one and a write five.
 * https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
 */
const paces = {
  content: { atOnce: 40, everyMs: 1_500 },
  points: { atOnce: 450, everyMs: 60_000 / 450 },
};
const pointsOf = { read: 1, control: 5, content: 5 };
/** Who would wait longer comes back later. */
const longestRestMs = 1_000;

type Account = {
  limit?: number;
  remaining?: number;
  resetAt: number;
  blocked?: { code: Limit['code']; until: number };
  /** When what was let through will have been paid for. */
  paidUntil: { content: number; points: number };
};

export type Verdict = { limit: Limit } | { restMs: number };

/** What the accounts of one host may still ask for, as its answers say. Times are of a clock that only goes forward. */
export function createQuota(now: () => number, mostAccounts = 10_000) {
  const accounts = new Map<string, Account>();

  function accountOf(name: string): Account {
    const account = accounts.get(name) ?? { resetAt: 0, paidUntil: { content: 0, points: 0 } };
    accounts.delete(name);
    accounts.set(name, account);
    const [oldest] = accounts.keys();
    if (accounts.size > mostAccounts && oldest !== undefined) accounts.delete(oldest);
    return account;
  }

  return {
    /** Counts the request, where it may leave: at once or after a rest. */
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
      // A host without limits has no paces either.
      if (limit === undefined) return { restMs: 0 };
      const price = { content: effect === 'content' ? 1 : 0, points: pointsOf[effect] };
      const restMs = Math.max(restOf(account, 'content', price, at), restOf(account, 'points', price, at));
      if (restMs > longestRestMs) {
        return { limit: { code: 'secondary_limited', retryAfterMs: restMs - longestRestMs } };
      }
      for (const pace of ['content', 'points'] as const) {
        account.paidUntil[pace] = Math.max(account.paidUntil[pace], at) + price[pace] * paces[pace].everyMs;
      }
      if (knows) account.remaining = remaining - 1;
      return { restMs };
    },

    /** `hostNow` is the host's own time, by which it says when the hour is over. */
    learn(name: string, headers: Headers, hostNow: number, limit?: Limit): void {
      const account = accountOf(name);
      const at = now();
      if (limit) {
        const until = at + Math.min(limit.retryAfterMs, longestMs);
        if (!account.blocked || account.blocked.until < until) account.blocked = { code: limit.code, until };
      }
      const said = figuresIn(headers);
      if (!said || said.limit <= 0) return;
      const resetAt = at + Math.min(said.resetSeconds * 1000 - hostNow, longestMs);
      // Answers overtake each other: within one hour the least counts.
      const sameHour = account.remaining !== undefined && Math.abs(resetAt - account.resetAt) < 2_000;
      account.remaining = sameHour ? Math.min(account.remaining ?? 0, said.remaining) : said.remaining;
      account.limit = said.limit;
      account.resetAt = resetAt;
    },
  };
}

type Pace = keyof typeof paces;

/** How long the next one has to wait for those before it. */
function restOf({ paidUntil }: Account, pace: Pace, price: Record<Pace, number>, at: number): number {
  if (price[pace] === 0) return 0;
  const { atOnce, everyMs } = paces[pace];
  return Math.max(0, Math.ceil(paidUntil[pace] - at - (atOnce - price[pace]) * everyMs));
}

function figuresIn(headers: Headers): { limit: number; remaining: number; resetSeconds: number } | undefined {
  // Searches and the like have limits of their own.
  if ((headers.get('x-ratelimit-resource') ?? 'core') !== 'core') return undefined;
  const [limit, remaining, resetSeconds] = ['limit', 'remaining', 'reset'].map((name) => {
    const value = headers.get(`x-ratelimit-${name}`);
    return value !== null && /^\d{1,12}$/.test(value) ? Number(value) : undefined;
  });
  if (limit === undefined || remaining === undefined || resetSeconds === undefined) return undefined;
  return { limit, remaining, resetSeconds };
}
