import { Overasked } from './provider-failure.ts';

/** Of the 180 tokens that GitHub lets an App make in a minute: a third, and half of that at once. */
const atOnce = 30;
const everyMs = 1_000;

/** With what tokens are made: an App, or this instance's own identity at a cloud. `orgId`: the one that has it alone. */
type Means = { id: string; orgId: string | null; provider?: string };

/** Takes one token's worth; throws where an organization has had its share. */
export type MintBudget = (means: Means, orgId: string) => void;

/**
 * An App that many organizations share makes tokens at one pace for all: so each of them has a share of it, for what
 * its people and its builds ask for. An organization's own App is all its own. The same holds of our own identity at
 * a cloud, whose limits are wider.
 */
export function createMintBudget(now: () => number = () => performance.now(), mostKept = 10_000): MintBudget {
  /** When what was taken will have been paid for. */
  const paidUntil = new Map<string, number>();

  return (means, orgId) => {
    if (means.orgId !== null) return;
    const key = `${means.id} ${orgId}`;
    const at = now();
    const paid = Math.max(paidUntil.get(key) ?? 0, at);
    const waitMs = paid - at - (atOnce - 1) * everyMs;
    const message = 'Your organization has asked for too many different tokens at once';
    if (waitMs > 0) throw new Overasked(message, waitMs, means.provider);
    paidUntil.delete(key);
    paidUntil.set(key, paid + everyMs);
    const [oldest] = paidUntil.keys();
    if (paidUntil.size > mostKept && oldest !== undefined) paidUntil.delete(oldest);
  };
}
