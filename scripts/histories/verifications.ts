import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { withWorker } from '../../test/support/workflow-run.ts';
import { requested, verifyIntegration } from '../../workflows/verify-integration.ts';

const asked = { integrationId: 'int_0000000000000000000000000a' };

type Verdict = { status: string; reason: string | null; doubted: string | null } | null;
const active = { status: 'active', reason: null, doubted: null };
const denied = { status: 'degraded', reason: 'push_denied', doubted: null };
const usual = {
  beginVerification: async () => 'asked',
  probeRegistry: async (): Promise<Verdict> => active,
  giveUpVerification: async () => {},
};

/** The results of a registry check. */
export const verifications: Record<string, () => Partial<typeof usual>> = {
  'verify-integration-active': () => ({}),
  // The credential was replaced during the check.
  'verify-integration-replaced-during-check': () => {
    let isFirst = true;
    const replaced = () => {
      isFirst = false;
      return null;
    };
    return { probeRegistry: async () => (isFirst ? replaced() : denied) };
  },
  'verify-integration-unanswered': () => ({
    probeRegistry: async () => {
      throw ApplicationFailure.create({ type: 'unavailable', message: 'registry.example.com failed (503)' });
    },
  }),
  'verify-integration-gone': () => ({ beginVerification: async () => 'gone' }),
  // The check is due and was not requested.
  'verify-integration-doubted': () => ({
    beginVerification: async () => 'due',
    probeRegistry: async () => ({ ...active, doubted: 'credentials_rejected' }),
  }),
};

export async function tellVerification(
  env: TestWorkflowEnvironment,
  codePath: string,
  changes: (typeof verifications)[string],
  save: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  await withWorker(env, codePath, { ...usual, ...changes() }, async ({ client, taskQueue }) => {
    const workflowId = `verify/${randomUUID()}`;
    const options = { taskQueue, workflowId, args: [asked] as [typeof asked], signal: requested };
    const handle = await client.workflow.signalWithStart(verifyIntegration, options);
    await handle.result();
    await save(handle);
  });
}
