/** A refusal may be due to a cloud that is still settling, so the check is retried every `everyMs` for `forMs`. */
export type Settling = { forMs: number; everyMs: number };

/** A cloud takes up to a minute to make a new role or key known to all of its machines. */
export const usualSettling: Settling = { forMs: 60_000, everyMs: 5_000 };
