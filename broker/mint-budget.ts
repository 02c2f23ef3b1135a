import { Overasked } from './provider-failure.ts';

/** GitHub lets an App create 180 tokens a minute. An organization may use a third of them, and half of that at once. */
const atOnce = 30;
const everyMs = 1_000;

/**
 * The identity that mints tokens: an App, or this instance's own identity at a cloud. `orgId`: the organization that
 * uses it alone.
 */
type Means = { id: string; orgId: string | null; provider?: string };

/** Takes one token from the budget. Throws if the organization has used its share. */
export type MintBudget = (means: Means, orgId: string) => void;

/**
 * Organizations that share an App share its rate limit, so each of them gets a share for its people and builds. An
 * organization's own App has the whole limit. The same holds for Fairlead's own identity at a cloud, whose limits are
 * higher.
 */
export function createMintBudget(now: () => number = () => performance.now(), mostKept = 10_000): MintBudget {
  /** The time at which the budget is full again. */
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
