import { commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import { allOperations } from './operations.ts';

/** The longest time for which the steps of such work are retried. */
export const requestedWithinMs = 24 * 3_600_000;

/**
 * Returns whether the work was requested: an operation waits for it, or a command for its workflow was stored within a
 * day. Prevents a workflow that somebody started by hand in Temporal from doing anything.
 */
export async function isRequested(
  db: Db,
  { kind, subjectId, workflowId }: { kind: string; subjectId: string; workflowId: string },
): Promise<boolean> {
  if (await allOperations(db).isRunning({ kind, subjectId })) return true;
  return commandsIn(db).wasRequested(workflowId, Date.now() - requestedWithinMs);
}
