import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { withWorker } from '../../test/support/workflow-run.ts';
import { deleteIntegration } from '../../workflows/delete-integration.ts';

const integrationId = 'int_0000000000000000000000000a';
const installations = ['ins_0000000000000000000000000a', 'ins_0000000000000000000000000b'];

type Steps = Record<string, (input: never) => Promise<unknown>>;

/** Removes two installations after a build has ended. In the other history GitHub refuses. */
export const deletions: Record<string, () => Steps> = {
  'delete-integration-revoked': () => {
    let builds = 1;
    return {
      readDeletion: async () => ({ builds: builds-- > 0 ? 1 : 0, installations }),
      uninstallInstallation: async () => 'revoked',
    };
  },
  'delete-integration-unconfirmed': () => ({
    readDeletion: async () => ({ builds: 0, installations: installations.slice(0, 1) }),
    async uninstallInstallation() {
      throw ApplicationFailure.nonRetryable('GitHub does not accept the App', 'app_credentials_rejected');
    },
  }),
};

export async function tellDeletion(
  env: TestWorkflowEnvironment,
  codePath: string,
  steps: () => Steps,
  save: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  const activities = { giveUpUninstall: async () => 'unconfirmed', finishDeletion: async () => {}, ...steps() };
  await withWorker(env, codePath, activities, async ({ client, taskQueue }) => {
    const workflowId = `delete/${randomUUID()}`;
    const handle = await client.workflow.start(deleteIntegration, { taskQueue, workflowId, args: [{ integrationId }] });
    await handle.result();
    await save(handle);
  });
}
