/** So many failures in a row, and the host is left alone. */
const patience = 5;
const firstPauseMs = 5_000;
const longestPauseMs = 15_000;
/** A probe that was never heard of again holds up nobody for longer. */
const probeMs = 40_000;

/**
 * Spares a host that is away, and those who would wait for it: after some failures in a row nothing is sent for a
 * while, then one request at a time tries whether it is back. Any success closes it.
 */
export function createBreaker(now: () => number) {
  let failures = 0;
  let failingSince: number | undefined;
  let openUntil: number | undefined;
  let pauseMs = firstPauseMs;
  let probedAt: number | undefined;

  return {
    /** How long the host is left alone from now on; undefined where the request may be sent, which must be told of. */
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
      // What was under way when it opened says nothing new.
      if (openUntil !== undefined && probedAt === undefined) return;
      if (openUntil !== undefined) pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      openUntil = now() + pauseMs;
      probedAt = undefined;
    },

    /** The probe was not sent after all: the next request is one. */
    forgetProbe(): void {
      probedAt = undefined;
    },

    isOpen: () => openUntil !== undefined,

    /** How long it has failed without a success, where it is left alone. */
    downForMs: () => (openUntil === undefined || failingSince === undefined ? 0 : now() - failingSince),
  };
}
