import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';

const phaseKey = defineSearchAttributeKey('Phase', SearchAttributeType.KEYWORD);

/**
 * Shows an operator where a workflow is, and what it waits for. The search attribute is moved only where the workflow
 * was started with one: a cluster that does not know it would fail the workflow's every step.
 */
export function showPhase(phase: string, details: string): void {
  setCurrentDetails(details);
  const shown = workflowInfo().typedSearchAttributes.get(phaseKey);
  if (shown !== undefined && shown !== phase) upsertSearchAttributes([{ key: phaseKey, value: phase }]);
}
