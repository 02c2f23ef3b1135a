export { buildWorkflowId, connectGithubWorkflowId, recoverWorkflowId, syncWorkflowId } from '../domain/workflow-ids.ts';

/** The one queue that every worker listens to. */
export const taskQueue = 'fairlead';
