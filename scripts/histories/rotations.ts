import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { withWorker } from '../../test/support/workflow-run.ts';
import { changed, type RotateCredential, rotateCredential } from '../../workflows/rotate-credential.ts';

const rotationId = 'rot_0000000000000000000000000a';

/** The states of the rotation's row, in order. */
type Stand = [step: string, phase: string];
type Story = {
  isWebhook: boolean;
  stands: Stand[];
  activities?: object;
  askedBackAfter?: '1 day';
  /** A run that continues a wait which began the given milliseconds ago. */
  waitsSince?: number;
};

const refused = async () => {
  throw ApplicationFailure.create({
    type: 'credential_refused',
    message: 'GitHub does not take it',
    nonRetryable: true,
  });
};

/** The results of the checks of an old key, in order. */
function looks(...seen: string[]) {
  return { probeOldVersion: async () => seen.shift() ?? 'dead' };
}

const wait = {
  isWebhook: false,
  waitsSince: 25 * 3_600_000,
};

export const rotations: Record<string, Story> = {
  'rotate-credential-webhook': {
    isWebhook: true,
    stands: [
      ['prove', 'proving'],
      ['overlap', 'overlapping'],
      ['overlap', 'overlapping'],
      ['over', 'done'],
    ],
  },
  'rotate-credential-rolled-back': {
    isWebhook: true,
    askedBackAfter: '1 day',
    stands: [
      ['prove', 'proving'],
      ['overlap', 'overlapping'],
      ['roll_back', 'rolling_back'],
      ['overlap', 'returning'],
      ['overlap', 'returning'],
      ['over', 'rolled_back'],
    ],
  },
  'rotate-credential-key': {
    isWebhook: false,
    stands: [
      ['prove', 'proving'],
      ['probe', 'overlapping'],
      ['over', 'done'],
    ],
  },
  // Recorded before the workflow reported only what it saw. Older rotations continue in the old way.
  'rotate-credential-told-unseen': {
    ...wait,
    activities: looks('unknown'),
    stands: [
      ['probe', 'overlapping'],
      ['probe', 'overlapping'],
      ['over', 'done'],
    ],
  },
  'rotate-credential-told-seen': {
    ...wait,
    activities: looks('unknown', 'alive'),
    stands: [
      ['probe', 'overlapping'],
      ['probe', 'overlapping'],
      ['probe', 'overlapping'],
      ['over', 'done'],
    ],
  },
  'rotate-credential-refused': {
    isWebhook: false,
    activities: { proveVersion: refused },
    stands: [
      ['prove', 'proving'],
      ['over', 'rejected'],
    ],
  },
};

const done = async () => {};
const usual = {
  proveVersion: done,
  proveOldVersion: done,
  settleVersion: done,
  probeOldVersion: async () => 'dead',
  cutOver: done,
  cutBack: done,
  giveUpProof: done,
  giveUpRollback: done,
  retireOldVersion: done,
  reportOldAlive: done,
};

export async function tellRotation(
  env: TestWorkflowEnvironment,
  codePath: string,
  { isWebhook, stands, activities, askedBackAfter, waitsSince }: Story,
  save: (handle: WorkflowHandle) => Promise<void>,
): Promise<void> {
  const left = [...stands];
  const readRotation = async () => {
    const [step, phase] = left.shift() ?? ['over', 'abandoned'];
    return { step, phase, isWebhook };
  };
  await withWorker(env, codePath, { ...usual, ...activities, readRotation }, async ({ client, taskQueue }) => {
    const workflowId = `rotate/${randomUUID()}`;
    const since = (await env.currentTimeMs()) - (waitsSince ?? 0);
    const goOn = { phase: 'overlapping' as const, since, pauseMs: 60_000, isReported: false };
    const args: [RotateCredential] = [{ rotationId, ...(waitsSince !== undefined && { goOn }) }];
    const handle = await client.workflow.start(rotateCredential, { taskQueue, workflowId, args });
    if (askedBackAfter) {
      await env.sleep(askedBackAfter);
      await handle.signal(changed);
    }
    await handle.result();
    await save(handle);
  });
}
