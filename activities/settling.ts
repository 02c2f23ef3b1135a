/** What a cloud refuses while it is settling is asked again, every `everyMs`, for `forMs`. */
export type Settling = { forMs: number; everyMs: number };

/** Clouds take up to a minute to tell all of their machines about a role or a key that was made just now. */
export const usualSettling: Settling = { forMs: 60_000, everyMs: 5_000 };
