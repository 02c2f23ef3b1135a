/** A workflow’s id is derived from its subject’s id, so Temporal rejects a second start. */
export function buildWorkflowId(buildId: string): string {
  return `build/${buildId}`;
}

export function syncWorkflowId(githubAppId: string): string {
  return `sync/${githubAppId}`;
}

/** Returns the id for the delivery or flow that causes the refresh, which it can do once. */
export function refreshWorkflowId(causeId: string): string {
  return `refresh/${causeId}`;
}

export function recoverWorkflowId(githubAppId: string): string {
  return `recover/${githubAppId}`;
}

export function connectGithubWorkflowId(flowId: string): string {
  return `connect-github/${flowId}`;
}

/** Each rotation has its own workflow. The database ensures that a credential has only one rotation at a time. */
export function rotateWorkflowId(credentialId: string, operationId: string): string {
  return `rotate/${credentialId}/${operationId}`;
}

export function revokeTokenWorkflowId(mintedTokenId: string): string {
  return `revoke/${mintedTokenId}`;
}

export function reportWorkflowId(buildId: string): string {
  return `report/${buildId}`;
}

/** The deletion of an integration, or of everything in a project or an organization. */
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

/**
 * Temporal search attributes (all Keyword) with which an operator finds a workflow. They contain ids and plain words
 * only.
 */
export const workflowAttributeNames = ['OrgId', 'ProjectId', 'IntegrationId', 'BuildId', 'Kind', 'Phase'] as const;

type WorkflowAttribute = (typeof workflowAttributeNames)[number];

export type WorkflowAttributes = Partial<Record<WorkflowAttribute, string>>;
