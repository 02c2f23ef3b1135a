import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';

const phaseKey = defineSearchAttributeKey('Phase', SearchAttributeType.KEYWORD);

/**
 * Shows operators the phase of a workflow and what it waits for. It sets the search attribute only if the workflow was
 * started with one. A cluster that does not know the attribute would fail every step.
 */
export function showPhase(phase: string, details: string): void {
  setCurrentDetails(details);
  const shown = workflowInfo().typedSearchAttributes.get(phaseKey);
  if (shown !== undefined && shown !== phase) upsertSearchAttributes([{ key: phaseKey, value: phase }]);
}
