import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { withWorker } from '../../test/support/workflow-run.ts';
import { revokeToken } from '../../workflows/revoke-token.ts';

const mintedTokenId = 'mnt_0000000000000000000000000a';

/** The provider's responses to the revocation of a token. */
export const revocations: Record<string, { revokeMintedToken: () => Promise<void> }> = {
  'revoke-token-confirmed': { revokeMintedToken: async () => {} },
  'revoke-token-given-up': {
    revokeMintedToken: async () => {
      throw ApplicationFailure.create({ type: 'policy', message: 'GitHub does not allow it', nonRetryable: true });
    },
  },
};

export async function tellRevocation(
  env: TestWorkflowEnvironment,
  codePath: string,
  activities: (typeof revocations)[string],
  save: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  await withWorker(
    env,
    codePath,
    { ...activities, giveUpRevocation: async () => {} },
    async ({ client, taskQueue }) => {
      const workflowId = `revoke/${randomUUID()}`;
      const handle = await client.workflow.start(revokeToken, { taskQueue, workflowId, args: [{ mintedTokenId }] });
      await handle.result();
      await save(handle);
    },
  );
}
