import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { withWorker } from '../../test/support/workflow-run.ts';
import { reconcile, reconcileApp } from '../../workflows/reconcile.ts';

const githubAppId = 'gha_0000000000000000000000000a';

/** The nightly check without an App, and GitHub's responses about one App. */
export const reconciliations: Record<string, { checkApp?: () => Promise<void> }> = {
  reconcile: {},
  'reconcile-app-compared': { checkApp: async () => {} },
  'reconcile-app-rejected': {
    checkApp: async () => {
      const type = 'app_credentials_rejected';
      throw ApplicationFailure.create({ type, message: 'GitHub does not accept the App', nonRetryable: true });
    },
  },
};

export async function tellReconciliation(
  env: TestWorkflowEnvironment,
  codePath: string,
  { checkApp }: (typeof reconciliations)[string],
  save: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  const nothing = async () => {};
  const steps = { requestReconciliations: nothing, sweepStuck: nothing, checkApp: checkApp ?? nothing };
  await withWorker(env, codePath, steps, async ({ client, taskQueue }) => {
    const workflowId = `reconcile/${randomUUID()}`;
    const handle = checkApp
      ? await client.workflow.start(reconcileApp, { taskQueue, workflowId, args: [{ githubAppId }] })
      : await client.workflow.start(reconcile, { taskQueue, workflowId });
    await handle.result();
    await save(handle);
  });
}
