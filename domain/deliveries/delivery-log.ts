/** One attempt of a provider to deliver a webhook, from its log. Several attempts share a guid. */
export type LoggedAttempt = { id: number; guid: string; event: string; deliveredAt: number; redelivery: boolean };

/** A missing delivery, found by any of its attempts. */
export type Missed = {
  guid: string;
  event: string;
  /** The attempt that Fairlead reads or asks GitHub to redeliver. */
  attemptId: number;
  /** The time of the first attempt. */
  deliveredAt: number;
  /** It was redelivered already, and did not arrive then either. */
  sentAgain: boolean;
};

/** Returns what is missing, oldest first. The success of an attempt does not count: only a stored delivery counts. */
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

/** The log is not strictly ordered, and clocks differ. So this much before the watermark is read again. */
export const logOverlapMs = 10 * minute;

/** The same for a log that is read every few seconds. More would cost more requests each time. */
export const shortLogOverlapMs = 2 * minute;

/** A head that is read now may belong to a push that GitHub dates this much earlier or later. */
export const headDoubtMs = minute;

/** How long GitHub keeps its log (https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks). */
export function logWindowMs(isEnterpriseServer: boolean): number {
  return (isEnterpriseServer ? 7 : 3) * day;
}

/** Whether deliveries may have left the log before it was read. */
export function isPastWindow(completeUntil: number, isEnterpriseServer: boolean, now: number): boolean {
  return completeUntil < now - logWindowMs(isEnterpriseServer) + logOverlapMs;
}
