export {
  buildWorkflowId,
  connectGithubWorkflowId,
  recoverWorkflowId,
  revokeTokenWorkflowId,
  rotateWorkflowId,
} from '../domain/ops/workflow-ids.ts';

/** The task queue of every worker. */
export const taskQueue = 'fairlead';
