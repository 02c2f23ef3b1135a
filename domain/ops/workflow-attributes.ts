/** Temporal search attributes (all Keyword) by which an operator finds a workflow. Ids and plain words only. */
export const workflowAttributeNames = ['OrgId', 'ProjectId', 'IntegrationId', 'BuildId', 'Kind', 'Phase'] as const;

export type WorkflowAttribute = (typeof workflowAttributeNames)[number];
export type WorkflowAttributes = Partial<Record<WorkflowAttribute, string>>;
