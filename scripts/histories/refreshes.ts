import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { withWorker } from '../../test/support/workflow-run.ts';
import { refreshInstallation } from '../../workflows/refresh-installation.ts';

const asked = { githubAppId: 'gha_0000000000000000000000000a', installation: 7, repositories: [8] };

/** The results of reading one installation. */
export const refreshes: Record<string, { readInstallation: () => Promise<void> }> = {
  'refresh-installation-read': { readInstallation: async () => {} },
  'refresh-installation-refused': {
    readInstallation: async () => {
      throw ApplicationFailure.create({ type: 'policy', message: 'GitHub does not allow it', nonRetryable: true });
    },
  },
};

export async function tellRefresh(
  env: TestWorkflowEnvironment,
  codePath: string,
  activities: (typeof refreshes)[string],
  save: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  await withWorker(env, codePath, activities, async ({ client, taskQueue }) => {
    const workflowId = `refresh/${randomUUID()}`;
    const handle = await client.workflow.start(refreshInstallation, { taskQueue, workflowId, args: [asked] });
    await handle.result();
    await save(handle);
  });
}
