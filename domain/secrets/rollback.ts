/** How long a replaced secret is kept, so that it can be rolled back to. */
export const rollbackKeptMs = 24 * 3_600_000;
