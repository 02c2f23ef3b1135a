import ipaddr from 'ipaddr.js';
import { Counter, type Registry } from 'prom-client';
import { BoundedMap } from './bounded-map.ts';
import { Problem } from './problems.ts';

/** Requests per minute, which are also the burst size. 0 means no limit. */
export type RateLimits = {
  /** The limit of one signed-in caller. All tokens of an organization together have ten times as much. */
  callerPerMinute: number;
  /** The limit of one address on public routes. */
  publicPerMinute: number;
  /**
   * The limit of one address for wrong tokens and codes. Webhooks with a wrong signature have a separate limit of the
   * same size.
   */
  failuresPerMinute: number;
};

/** Refuses with 429 and the time to wait. Each process counts separately, in memory. */
export type RateLimiter = {
  /** `orgId` is the organization of the token. It prevents an organization from raising its limit with more tokens. */
  admitCaller(callerId: string, orgId?: string): void;
  /** Admits a public request. Also refuses an address with too many failures. */
  admitPublic(ip: string): void;
  /** Refuses an address with too many failures before an unproven secret is looked up. */
  admitGuess(ip: string): void;
  /** Returns whether `admitGuess` would admit the address. */
  mayGuess(ip: string): boolean;
  noteFailure(ip: string): void;
  /**
   * Counts a webhook with a wrong signature, and throws if there were too many. A correctly signed webhook is never
   * counted.
   */
  noteRefusedWebhook(ip: string): void;
};

/** The most callers or addresses that one limit tracks. */
const maxKeys = 20_000;

/** How many tokens of an organization can use their full limit at the same time. */
const busyTokens = 10;

export function createRateLimiter(limits: RateLimits, registry: Registry): RateLimiter {
  const callers = createBuckets(limits.callerPerMinute);
  const orgs = createBuckets(limits.callerPerMinute * busyTokens);
  const visitors = createBuckets(limits.publicPerMinute);
  const failures = createBuckets(limits.failuresPerMinute);
  const webhooks = createBuckets(limits.failuresPerMinute);
  const refused = new Counter({
    name: 'fairlead_rate_limited_total',
    help: 'Requests that were answered 429, by what there was too much of',
    labelNames: ['limit'],
    registers: [registry],
  });

  function refuse(limit: string, waitSeconds: number, detail: string): void {
    if (waitSeconds <= 0) return;
    refused.inc({ limit });
    throw new Problem('too_many_requests', detail, { headers: { 'retry-after': String(Math.ceil(waitSeconds)) } });
  }
  const tooManyFailures =
    'Too many requests from this address failed. Wait for the number of seconds in `Retry-After`.';

  return {
    admitCaller(callerId, orgId) {
      refuse('caller', callers.take(callerId), 'Wait for the number of seconds in `Retry-After`.');
      if (orgId === undefined) return;
      refuse(
        'organization',
        orgs.take(orgId),
        'The tokens of the organization sent too many requests. Wait for the number of seconds in `Retry-After`.',
      );
    },
    admitPublic(ip) {
      refuse('public', visitors.take(networkOf(ip)), 'Wait for the number of seconds in `Retry-After`.');
      refuse('failures', failures.wait(networkOf(ip)), tooManyFailures);
    },
    admitGuess(ip) {
      refuse('failures', failures.wait(networkOf(ip)), tooManyFailures);
    },
    mayGuess(ip) {
      return failures.wait(networkOf(ip)) <= 0;
    },
    noteFailure(ip) {
      failures.take(networkOf(ip));
    },
    noteRefusedWebhook(ip) {
      refuse(
        'webhooks',
        webhooks.take(networkOf(ip)),
        'Too many webhooks from this address had an invalid signature. Check the webhook secret of the GitHub App.',
      );
    },
  };
}

/** Creates token buckets that refill in a minute. Keeps only the `keys` most recently used buckets. */
export function createBuckets(perMinute: number, keys = maxKeys) {
  const perMs = perMinute / 60_000;
  const buckets = new BoundedMap<{ tokens: number; at: number }>(keys);

  function look(key: string): { tokens: number; at: number } {
    const now = performance.now();
    const known = buckets.get(key) ?? { tokens: perMinute, at: now };
    return { tokens: Math.min(perMinute, known.tokens + (now - known.at) * perMs), at: now };
  }
  const secondsUntilOne = (tokens: number) => (tokens >= 1 ? 0 : (1 - tokens) / perMs / 1000);

  return {
    /** Takes a token and returns 0. If the bucket is empty, it returns the seconds until the next token. */
    take(key: string): number {
      if (perMinute === 0) return 0;
      const bucket = look(key);
      const wait = secondsUntilOne(bucket.tokens);
      if (wait === 0) bucket.tokens -= 1;
      buckets.set(key, bucket);
      return wait;
    },
    /** Returns the seconds until the next token, and takes none. */
    wait(key: string): number {
      return perMinute === 0 ? 0 : secondsUntilOne(look(key).tokens);
    },
    size: () => buckets.size,
  };
}

/** Returns the IPv4 address, or the /64 of an IPv6 subscriber. Drops the port that some proxies append. */
export function networkOf(ip: string): string {
  const bare = /^\[(.+)\](?::\d+)?$/.exec(ip)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(ip)?.[1] ?? ip;
  if (!ipaddr.isValid(bare)) return bare.slice(0, 64);
  const address = ipaddr.process(bare);
  return address instanceof ipaddr.IPv6
    ? `${address.parts
        .slice(0, 4)
        .map((part) => part.toString(16))
        .join(':')}::/64`
    : address.toString();
}
