import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';

const phaseKey = defineSearchAttributeKey('Phase', SearchAttributeType.KEYWORD);

/** How the subject of a workflow has ended in the database. */
export type Ended = { status: string; reason?: string | null };

/**
 * The patch of workflows that had phases of their own. Since then the phase is the status of the row. One name for all,
 * because each run has its own patches.
 */
export const phaseIsStatus = 'phase-is-the-status';

/**
 * Shows operators the phase of a workflow and what it waits for. The phase is the status of the workflow's row. Call it
 * after each step that changes the row.
 *
 * It sets the search attribute only if the workflow was started with one. A cluster that does not know the attribute
 * would fail every step, and a run that began without the attribute must replay without it.
 */
export function showPhase(phase: string, details: string): void {
  setCurrentDetails(details);
  const shown = workflowInfo().typedSearchAttributes.get(phaseKey);
  if (shown !== undefined && shown !== phase) upsertSearchAttributes([{ key: phaseKey, value: phase }]);
}

/** Shows how the work has ended. */
export function showEnd(end: Ended): void {
  showPhase(end.status, `Ended: ${ended(end)}`);
}

/** Returns the status with its reason, so that a failure does not look like a success. */
export function ended({ status, reason }: Ended): string {
  return `${status}${reason ? ` (${reason})` : ''}`;
}
