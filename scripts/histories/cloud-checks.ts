import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { withWorker } from '../../test/support/workflow-run.ts';
import { verifyCloudAccount } from '../../workflows/verify-cloud-account.ts';

const cloudAccountId = 'ca_0000000000000000000000000a';

/** The responses of a cloud about an account, in order. */
export const cloudChecks: Record<string, () => () => Promise<boolean>> = {
  'verify-cloud-account-replaced-during-check': () => {
    const answers = [false, true];
    return async () => answers.shift() ?? true;
  },
  'verify-cloud-account-given-up': () => async () => {
    throw ApplicationFailure.create({ type: 'unavailable', message: 'The cloud failed', nonRetryable: true });
  },
};

export async function tellCloudCheck(
  env: TestWorkflowEnvironment,
  codePath: string,
  story: (typeof cloudChecks)[string],
  save: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  const steps = { beginCloudCheck: async () => true, giveUpCloudCheck: async () => {}, askCloud: story() };
  await withWorker(env, codePath, steps, async ({ client, taskQueue }) => {
    const workflowId = `verify-cloud/${randomUUID()}`;
    const args: [{ cloudAccountId: string }] = [{ cloudAccountId }];
    const handle = await client.workflow.start(verifyCloudAccount, { taskQueue, workflowId, args });
    await handle.result();
    await save(handle);
  });
}
