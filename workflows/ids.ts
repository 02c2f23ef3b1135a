export {
  buildWorkflowId,
  connectGithubWorkflowId,
  recoverWorkflowId,
  revokeTokenWorkflowId,
  rotateWorkflowId,
  syncWorkflowId,
} from '../domain/ops/workflow-ids.ts';

/** The task queue of every worker. */
export const taskQueue = 'fairlead';
