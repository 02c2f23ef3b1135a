const hour = 3_600_000;
const day = 24 * hour;

/** The lifetime of a token that Fairlead issues about itself. A cloud sees it at once, and never again. */
export const issuedTokenSeconds = 600;
/** How far the time of issue lies in the past. A cloud whose clock is behind rejects a token from its future. */
export const backdatedSeconds = 60;

/** How long one key signs before the next takes over. */
const signsMs = 30 * day;
/** Clouds cache our keys for up to a day. */
const knownMs = day;
/** Another process may work with a clock that is behind. */
const leewayMs = hour;

/** Whether a successor should be published, given the time at which the newest key begins to sign. */
export function successorIsDue(signsFrom: number, now: number): boolean {
  return now >= signsFrom + signsMs - knownMs;
}

/** When a key that is published now may sign. By then every cloud that looks up the key finds it. */
export function successorSignsFrom(now: number): number {
  return now + knownMs;
}

/** The private half of keys that stopped signing before this time is no longer needed. */
export function privateHalfGoneBefore(now: number): number {
  return now - leewayMs;
}

/** Keys that stopped signing before this time no longer verify any valid token. */
export function removedBefore(now: number): number {
  return now - knownMs - leewayMs - issuedTokenSeconds * 1000;
}
