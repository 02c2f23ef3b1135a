import { setTimeout as sleep } from 'node:timers/promises';
import type { GitHubHost } from '../../domain/github/github-host.ts';
import { ProviderError } from '../../providers/failure.ts';
import { createHostClock, type Limit, type Traffic } from '../../providers/github/traffic.ts';
import { createBreaker } from './breaker.ts';
import { createQuota } from './quota.ts';

/** A callback for information. It must not delay a request. */
export type TrafficWatch = {
  /** No request has succeeded for this long. */
  down(origin: string, forMs: number): void;
  up(origin: string): void;
  /** How far this machine's clock is off, according to the hosts that responded recently. */
  clock(offBy: number): void;
};

export type TrafficControl = ReturnType<typeof createTraffic>;

type Host = { traffic: Traffic; isDown(): boolean; heardAt(): number };

/** Tenants can name any number of hosts, so at most this many are remembered. */
const mostHosts = 1_000;
/** Clocks drift slowly, but yesterday's answer of a host says nothing about now. */
const latelyMs = 3_600_000;

/**
 * The rate limits, the health and the clock of every host that this process calls. A problem of one host never delays a
 * request to another. `wall` is the time of day, `steady` a monotonic clock.
 */
export function createTraffic({
  watch,
  wall = Date.now,
  steady = () => performance.now(),
}: {
  watch?: TrafficWatch;
  wall?: () => number;
  steady?: () => number;
} = {}) {
  const hosts = new Map<string, Host>();

  /** No incident is about a host's pages. Incidents are about its API. */
  function open(origin: string, isWeb: boolean): Host {
    const watched = isWeb ? undefined : watch;
    const breaker = createBreaker(steady);
    const quota = createQuota(steady);
    const clock = createHostClock(wall);
    let heardAt = Number.NEGATIVE_INFINITY;
    const traffic: Traffic = {
      async admit({ account, ...leaving }) {
        const verdict = account === undefined ? { restMs: 0 } : quota.admit(account, leaving);
        if ('limit' in verdict) throw limited(verdict.limit);
        if (verdict.restMs > 0) await sleep(verdict.restMs);
        // Last: a request that passes here is sent, and its result is reported.
        const away = breaker.admit();
        if (away !== undefined) throw unavailable(origin, away);
      },
      answered({ account }, { status, headers, limit }, sentAt) {
        clock.learn(headers, sentAt);
        const hostNow = wall() + clock.offsetMs();
        if (account !== undefined) quota.learn(account, headers, hostNow, limit, sentAt);
        if (status >= 500) return failed();
        heardAt = steady();
        breaker.succeeded();
        watched?.up(origin);
        watch?.clock(clockOffBy());
      },
      unanswered: () => failed(),
      refused: breaker.forgetProbe,
      clockOffsetMs: clock.offsetMs,
    };
    function failed(): void {
      breaker.failed();
      const forMs = breaker.downForMs();
      if (forMs > 0) watched?.down(origin, forMs);
    }
    return { traffic, isDown: breaker.isOpen, heardAt: () => heardAt };
  }

  function trafficAt(address: string, isWeb = false): Traffic {
    const { origin } = new URL(address);
    // A tenant can name any path of a host as its API. Its failures must not stop the sign-ins of others.
    const key = isWeb ? `web ${origin}` : origin;
    const host = hosts.get(key) ?? open(origin, isWeb);
    hosts.delete(key);
    hosts.set(key, host);
    const [oldest] = hosts.keys();
    if (hosts.size > mostHosts && oldest !== undefined) hosts.delete(oldest);
    return host.traffic;
  }

  /** If one host agrees with our clock, the clocks of the other hosts are wrong. */
  function clockOffBy(): number {
    const lately = [...hosts.values()].filter((host) => steady() - host.heardAt() < latelyMs);
    const offsets = lately.map(({ traffic }) => 0 - traffic.clockOffsetMs());
    return offsets.reduce((least, one) => (Math.abs(one) < Math.abs(least) ? one : least), offsets[0] ?? 0);
  }

  return {
    /** The traffic to the host's API. */
    of: ({ api }: GitHubHost) => trafficAt(api),
    /** The traffic to the host's pages. On github.com they have another address than the API. */
    ofWeb: ({ web }: GitHubHost) => trafficAt(web, true),
    /** Positive if our clock is ahead. */
    clockOffByMs: clockOffBy,
    /** The origins of the APIs to which no request is sent just now. */
    hostsDown: () => [...hosts].filter(([key, host]) => !key.startsWith('web ') && host.isDown()).map(([key]) => key),
  };
}

/** Nothing was sent, so neither of these is ambiguous. */
function limited({ code, retryAfterMs }: Limit): ProviderError {
  const why = code === 'rate_limited' ? 'The hourly limit of requests is used up' : 'GitHub asks for a pause';
  return new ProviderError({ provider: 'github', code, retryAfterMs, message: `${why}: nothing was sent` });
}

function unavailable(origin: string, retryAfterMs: number): ProviderError {
  return new ProviderError({
    provider: 'github',
    code: 'unavailable',
    retryAfterMs: Math.ceil(retryAfterMs),
    message: `${new URL(origin).hostname} is away and is left alone for a moment: nothing was sent`,
  });
}
