/** How long a replaced secret is kept, so that it can be rolled back to. */
export const rollbackKeptMs = 24 * 3_600_000;

/** Nobody rolls back to a secret that might be destroyed at the same moment. */
const marginMs = 60_000;

/** Returns whether it is possible to roll back to a secret that was replaced at this time. */
export function isRollbackPossible(replacedAt: number): boolean {
  return Date.now() - replacedAt < rollbackKeptMs - marginMs;
}
