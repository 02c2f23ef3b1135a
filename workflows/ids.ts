export {
  buildWorkflowId,
  connectGithubWorkflowId,
  recoverWorkflowId,
  revokeTokenWorkflowId,
  rotateWorkflowId,
  syncWorkflowId,
} from '../domain/ops/workflow-ids.ts';

/** The one queue that every worker listens to. */
export const taskQueue = 'fairlead';
