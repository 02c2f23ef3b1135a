import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { withWorker } from '../../test/support/workflow-run.ts';
import { revokeConsent } from '../../workflows/revoke-consent.ts';

const cloudAccountId = 'ca_0000000000000000000000000a';

/** Google's responses to the revocation of a consent. */
export const consentEnds: Record<string, () => Promise<void>> = {
  'revoke-consent-confirmed': async () => {},
  'revoke-consent-given-up': async () => {
    throw ApplicationFailure.create({ type: 'validation', message: 'Google does not take it', nonRetryable: true });
  },
};

export async function tellConsentEnd(
  env: TestWorkflowEnvironment,
  codePath: string,
  revoke: (typeof consentEnds)[string],
  save: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  const activities = { revokeConsent: revoke, giveUpConsent: async () => {} };
  await withWorker(env, codePath, activities, async ({ client, taskQueue }) => {
    const workflowId = `revoke-consent/${randomUUID()}`;
    const handle = await client.workflow.start(revokeConsent, { taskQueue, workflowId, args: [{ cloudAccountId }] });
    await handle.result();
    await save(handle);
  });
}
