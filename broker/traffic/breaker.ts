/** After this many failures in a row, no more requests are sent to the host. */
const patience = 5;
const firstPauseMs = 5_000;
const longestPauseMs = 15_000;
/** A probe without a result stops blocking other requests after this time. */
const probeMs = 40_000;

/**
 * A circuit breaker. It protects a host that is down, and the callers that would wait for it. After several failures in
 * a row no request is sent for a while; then one request at a time probes the host. Any success closes the breaker.
 */
export function createBreaker(now: () => number) {
  let failures = 0;
  let failingSince: number | undefined;
  let openUntil: number | undefined;
  let pauseMs = firstPauseMs;
  let probedAt: number | undefined;

  return {
    /**
     * How long requests are held back from now on. Returns undefined if the request may be sent; its result must be
     * reported.
     */
    admit(): number | undefined {
      if (openUntil === undefined) return undefined;
      const left = openUntil - now();
      if (left > 0) return left;
      if (probedAt !== undefined && now() - probedAt < probeMs) return firstPauseMs;
      probedAt = now();
      return undefined;
    },

    succeeded(): void {
      failures = 0;
      failingSince = undefined;
      openUntil = undefined;
      pauseMs = firstPauseMs;
      probedAt = undefined;
    },

    failed(): void {
      failures += 1;
      failingSince ??= now();
      if (failures < patience) return;
      // Requests that were in flight when the breaker opened say nothing new.
      if (openUntil !== undefined && probedAt === undefined) return;
      if (openUntil !== undefined) pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      openUntil = now() + pauseMs;
      probedAt = undefined;
    },

    /** The probe was not sent after all, so the next request is the probe. */
    forgetProbe(): void {
      probedAt = undefined;
    },

    isOpen: () => openUntil !== undefined,

    /** How long the host has failed without a success, if the breaker is open. */
    downForMs: () => (openUntil === undefined || failingSince === undefined ? 0 : now() - failingSince),
  };
}
