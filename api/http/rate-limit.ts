import ipaddr from 'ipaddr.js';
import { Counter, type Registry } from 'prom-client';
import { BoundedMap } from './bounded-map.ts';
import { Problem } from './problems.ts';

/** How many in a minute, and at once; 0 is without limit. */
export type RateLimits = {
  /** Of one signed-in caller; all tokens of an organization together have ten times as many. */
  callerPerMinute: number;
  /** Of one address, for what nobody has to sign in for. */
  publicPerMinute: number;
  /** Of one address: wrong tokens, wrong codes; and, counted apart, webhooks with a wrong signature. */
  failuresPerMinute: number;
};

/** Refuses with 429 and the time to wait. Each process counts for itself, in memory. */
export type RateLimiter = {
  /** `orgId` is whose token it is: whoever makes more tokens has no more for it. */
  admitCaller(callerId: string, orgId?: string): void;
  /** For what is public; also where too much has failed. */
  admitPublic(ip: string): void;
  /** Before something is looked up that was only guessed. */
  admitGuess(ip: string): void;
  noteFailure(ip: string): void;
  /** Where there were too many, the refusal says so. One that is rightly signed is never counted. */
  noteRefusedWebhook(ip: string): void;
};

/** The most callers, or addresses, that one limit counts. */
const maxKeys = 20_000;

/** How many tokens of an organization may ask as much as each may, at the same time. */
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

/** Token buckets that are full after a minute. Only the `keys` buckets that were used last are kept. */
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
    /** Takes one; or says in how many seconds there is one again. */
    take(key: string): number {
      if (perMinute === 0) return 0;
      const bucket = look(key);
      const wait = secondsUntilOne(bucket.tokens);
      if (wait === 0) bucket.tokens -= 1;
      buckets.set(key, bucket);
      return wait;
    },
    /** In how many seconds there is one; takes none. */
    wait(key: string): number {
      return perMinute === 0 ? 0 : secondsUntilOne(look(key).tokens);
    },
    size: () => buckets.size,
  };
}

/** An address, or the /64 that one subscriber has of IPv6; without the port that some proxies write beside it. */
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
