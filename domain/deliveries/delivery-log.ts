/** One attempt of a provider to deliver a webhook, as its log has it. Several attempts share a guid. */
export type LoggedAttempt = { id: number; guid: string; event: string; deliveredAt: number; redelivery: boolean };

/** A delivery that is not here, by any of its attempts. */
export type Missed = {
  guid: string;
  event: string;
  /** The attempt by which it can be read or sent again. */
  attemptId: number;
  /** When it was first tried. */
  deliveredAt: number;
  /** It was sent again already, and did not come then either. */
  sentAgain: boolean;
};

/** What is missing, oldest first. Whether an attempt succeeded says nothing: what counts is that we have it. */
export function missedIn(attempts: readonly LoggedAttempt[], isKnown: (guid: string) => boolean): Missed[] {
  const byGuid = new Map<string, Missed>();
  for (const { id, guid, event, deliveredAt, redelivery } of attempts) {
    if (isKnown(guid)) continue;
    const missed = byGuid.get(guid) ?? { guid, event, attemptId: id, deliveredAt, sentAgain: false };
    missed.sentAgain ||= redelivery;
    missed.deliveredAt = Math.min(missed.deliveredAt, deliveredAt);
    byGuid.set(guid, missed);
  }
  return [...byGuid.values()].sort(
    (one, other) => one.deliveredAt - other.deliveredAt || one.attemptId - other.attemptId,
  );
}

const minute = 60_000;
const day = 24 * 60 * minute;

/** The log is not strictly in order, and clocks differ: this much before the watermark is looked at again. */
export const logOverlapMs = 10 * minute;

/** Where it is looked at every few seconds: more of it would be more requests each time. */
export const shortLogOverlapMs = 2 * minute;

/** A head that was read now may be of a push that GitHub dates so much earlier or later. */
export const headDoubtMs = minute;

/** How long GitHub's log remembers (https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks). */
export function logWindowMs(isEnterpriseServer: boolean): number {
  return (isEnterpriseServer ? 7 : 3) * day;
}

/** Whether something may have left the log before it was read. */
export function isPastWindow(completeUntil: number, isEnterpriseServer: boolean, now: number): boolean {
  return completeUntil < now - logWindowMs(isEnterpriseServer) + logOverlapMs;
}
