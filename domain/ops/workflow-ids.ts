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

/** Each rotation has its own workflow. The database allows only one at a time for a credential. */
export function rotateWorkflowId(credentialId: string, operationId: string): string {
  return `rotate/${credentialId}/${operationId}`;
}

export function revokeTokenWorkflowId(mintedTokenId: string): string {
  return `revoke/${mintedTokenId}`;
}

export function reportWorkflowId(buildId: string): string {
  return `report/${buildId}`;
}

/** Returns the id for deleting an integration, or everything of a project or an organization. */
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

/** The Temporal search attributes (all Keyword) that operators search by. They contain only ids and plain words. */
export const workflowAttributeNames = ['OrgId', 'ProjectId', 'IntegrationId', 'BuildId', 'Kind', 'Phase'] as const;

type WorkflowAttribute = (typeof workflowAttributeNames)[number];

export type WorkflowAttributes = Partial<Record<WorkflowAttribute, string>>;
