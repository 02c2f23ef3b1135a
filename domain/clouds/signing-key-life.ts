const hour = 3_600_000;
const day = 24 * hour;

/** Of a token that Fairlead issues about itself: it is shown to a cloud at once, and never again. */
export const issuedTokenSeconds = 600;
/** How far a token's time of issue lies back: a cloud whose clock is behind refuses what is made in its future. */
export const backdatedSeconds = 60;

/** How long one key signs before the next takes over. */
const signsMs = 30 * day;
/** Clouds keep what they have read of our keys for up to a day. */
const knownMs = day;
/** Another process may still be at work by a clock that is behind. */
const leewayMs = hour;

/** Whether a successor should be published, given when the newest key begins to sign. */
export function successorIsDue(signsFrom: number, now: number): boolean {
  return now >= signsFrom + signsMs - knownMs;
}

/** When a key that is published now may sign, so that whoever looks a token's key up finds it. */
export function successorSignsFrom(now: number): number {
  return now + knownMs;
}

/** Keys that stopped signing before this need their private half no more. */
export function privateHalfGoneBefore(now: number): number {
  return now - leewayMs;
}

/** Keys that stopped signing before this verify nothing any more. */
export function removedBefore(now: number): number {
  return now - knownMs - leewayMs - issuedTokenSeconds * 1000;
}
