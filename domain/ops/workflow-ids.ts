/** A workflow's id is its subject's: starting it twice is refused by Temporal, whoever asks. */
export function buildWorkflowId(buildId: string): string {
  return `build/${buildId}`;
}

export function syncWorkflowId(githubAppId: string): string {
  return `sync/${githubAppId}`;
}

/** Of the delivery or the flow that asks for it, once. */
export function refreshWorkflowId(causeId: string): string {
  return `refresh/${causeId}`;
}

export function recoverWorkflowId(githubAppId: string): string {
  return `recover/${githubAppId}`;
}

export function connectGithubWorkflowId(flowId: string): string {
  return `connect-github/${flowId}`;
}

/** Each rotation has a workflow of its own; that a credential has only one at a time, the database sees to. */
export function rotateWorkflowId(credentialId: string, operationId: string): string {
  return `rotate/${credentialId}/${operationId}`;
}

export function revokeTokenWorkflowId(mintedTokenId: string): string {
  return `revoke/${mintedTokenId}`;
}

export function reportWorkflowId(buildId: string): string {
  return `report/${buildId}`;
}

/** Of an integration, or of all that a project or an organization has. */
export function deleteWorkflowId(subjectId: string): string {
  return `delete/${subjectId}`;
}

export function reconcileWorkflowId(githubAppId: string): string {
  return `reconcile/${githubAppId}`;
}

export function verifyWorkflowId(integrationId: string): string {
  return `verify/${integrationId}`;
}

export function revokeConsentWorkflowId(cloudAccountId: string): string {
  return `revoke-consent/${cloudAccountId}`;
}

export function verifyCloudWorkflowId(cloudAccountId: string): string {
  return `verify-cloud/${cloudAccountId}`;
}

/** Temporal search attributes (all Keyword) by which an operator finds a workflow. Ids and plain words only. */
export const workflowAttributeNames = ['OrgId', 'ProjectId', 'IntegrationId', 'BuildId', 'Kind', 'Phase'] as const;

type WorkflowAttribute = (typeof workflowAttributeNames)[number];

export type WorkflowAttributes = Partial<Record<WorkflowAttribute, string>>;
