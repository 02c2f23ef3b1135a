import { randomUUID } from 'node:crypto';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dispatchBuild, reported } from '../../workflows/dispatch-build.ts';
import { connectTemporal } from '../support/temporal.ts';
import { withWorker } from '../support/workflow-run.ts';

let place: Awaited<ReturnType<typeof connectTemporal>>;

beforeAll(async () => {
  place = await connectTemporal();
});

afterAll(() => place?.close());

const phase = defineSearchAttributeKey('Phase', SearchAttributeType.KEYWORD);
const activities = {
  sendDispatch: async () => ({ outcome: 'running' }),
  endBuild: async () => {},
  reportBuild: async () => {},
};

/** Runs a build that is dispatched, followed by webhooks, and succeeds. */
async function succeed(attributes: TypedSearchAttributes | undefined) {
  return withWorker(place, place.codePath, activities, async ({ client, taskQueue }) => {
    const handle = await client.workflow.start(dispatchBuild, {
      taskQueue,
      workflowId: `build/${randomUUID()}`,
      args: [{ buildId: 'bld_0000000000000000000000000a', timeoutMinutes: 60 }],
      ...(attributes && { typedSearchAttributes: attributes }),
    });
    const details = async () => {
      const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
      return metadata.currentDetails;
    };
    await expect.poll(details, { timeout: 10_000 }).toBe('Waiting for the end of the run');
    const waiting = (await handle.describe()).typedSearchAttributes.get(phase);
    await handle.signal(reported, { runId: 7, ended: { status: 'succeeded' } });
    await handle.result();
    const after = await handle.describe();
    const { events } = await handle.fetchHistory();
    return { waiting, ended: after.typedSearchAttributes.get(phase), events: events?.length, details: await details() };
  });
}

test('shows an operator the state of a build in at most 30 events', async () => {
  const seen = await succeed(new TypedSearchAttributes([{ key: phase, value: 'queued' }]));
  expect(seen).toEqual({ waiting: 'running', ended: 'succeeded', events: 26, details: 'Ended: succeeded' });
});

test('runs a build without search attributes', async () => {
  expect(await succeed(undefined)).toEqual({
    waiting: undefined,
    ended: undefined,
    events: 24,
    details: 'Ended: succeeded',
  });
});
