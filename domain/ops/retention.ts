const day = 24 * 3_600_000;

/** The ages that an operator can choose, in days. */
export const retentionDays = {
  /**
   * The body of a decided webhook. At least two days, because a sync can decide a webhook again within a day. The
   * default covers the seven days for which GitHub Enterprise Server can redeliver.
   */
  body: { least: 2, most: 3_650, usual: 14 },
  /**
   * What has ended. A connect flow is open for up to 32 days, and looks at flows that have ended since it began. The row
   * of a webhook refuses duplicates, so it must outlive the log of every provider.
   */
  history: { least: 35, most: 36_500, usual: 90 },
} as const;

/** How long Fairlead keeps what an operator can choose, in ms. */
export type Retention = { bodyMs: number; historyMs: number };

export function retentionOf(days: { body: number; history: number }): Retention {
  return { bodyMs: days.body * day, historyMs: days.history * day };
}

export const usualRetention: Retention = retentionOf({
  body: retentionDays.body.usual,
  history: retentionDays.history.usual,
});
