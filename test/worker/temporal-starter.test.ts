import { randomUUID } from 'node:crypto';
import { Client, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Command } from '../../db/store/commands.ts';
import { createTemporalClient } from '../../worker/temporal-client.ts';
import { CommandRefused, createTemporalStarter, TemporalAway } from '../../worker/temporal-starter.ts';
import { freePort } from '../support/programs/processes.ts';
import { connectTemporal } from '../support/temporal.ts';

let temporal: Awaited<ReturnType<typeof connectTemporal>>;
let own: ReturnType<typeof createTemporalClient>;
const begun: WorkflowHandle[] = [];

beforeAll(async () => {
  temporal = await connectTemporal();
  own = createTemporalClient({ namespace: 'default', tls: undefined, apiKey: undefined }, temporal.address);
});
afterAll(async () => {
  for (const handle of begun) await handle.terminate().catch(() => {});
  await own.close();
  await temporal.close();
});

/** No worker of this test run takes the workflow, so it stays at its first task. */
function command(changes: Partial<Command> = {}): Command {
  const workflowId = `test-${randomUUID()}`;
  begun.push(temporal.client.workflow.getHandle(workflowId));
  return {
    action: 'start',
    workflow: 'ofThisTest',
    workflowId,
    input: { id: workflowId },
    attributes: { BuildId: workflowId, Kind: 'ofThisTest' },
    summary: 'A summary for people',
    ...changes,
  };
}

const starterOf = (attributesAvailable = true) => createTemporalStarter({ client: own.client, attributesAvailable });

async function signalsOf(workflowId: string): Promise<string[]> {
  const history = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
  return (history.events ?? []).flatMap(
    ({ workflowExecutionSignaledEventAttributes: signaled }) => signaled?.signalName ?? [],
  );
}

test('starts a workflow with its search attributes and summary', async () => {
  const given = command();
  await starterOf().start(given);
  const handle = temporal.client.workflow.getHandle(given.workflowId);
  const { typedSearchAttributes, staticSummary } = {
    ...(await handle.describe()),
    staticSummary: await (await handle.describe()).staticSummary(),
  };
  expect(staticSummary).toBe('A summary for people');
  const attributes = typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]);
  expect(Object.fromEntries(attributes)).toMatchObject({ BuildId: given.workflowId, Kind: 'ofThisTest' });
});

test('runs a start that is sent twice once, even after the run has closed', async () => {
  const given = command();
  await starterOf().start(given);
  await starterOf().start(given);
  const handle = temporal.client.workflow.getHandle(given.workflowId);
  const { runId } = await handle.describe();
  await handle.terminate();
  await starterOf().start(given);
  expect(await handle.describe()).toMatchObject({ runId, status: { name: 'TERMINATED' } });
});

test('leaves out search attributes that the namespace lacks', async () => {
  const given = command({ attributes: { ...{ Unheard: 'of' }, BuildId: 'x' } });
  await starterOf().start(given);
  const { typedSearchAttributes } = await temporal.client.workflow.getHandle(given.workflowId).describe();
  expect(typedSearchAttributes.getAll().map(({ key }) => key.name)).not.toContain('BuildId');
});

test('delivers signals, and treats one for an ended workflow as done', async () => {
  const given = command();
  await starterOf().start(given);
  await starterOf().signal({ ...given, action: 'signal', signal: 'canceled', input: null });
  expect(await signalsOf(given.workflowId)).toEqual(['canceled']);
  await temporal.client.workflow.getHandle(given.workflowId).terminate();
  await starterOf().signal({ ...given, action: 'signal', signal: 'canceled', input: null });
  await starterOf().signal(command({ action: 'signal', signal: 'canceled', input: null }));
});

test('starts the workflow once with a signal, and signals it each time', async () => {
  const given = command({ action: 'signal_with_start', signal: 'requested' });
  await starterOf().signalWithStart(given);
  const { runId } = await temporal.client.workflow.getHandle(given.workflowId).describe();
  await starterOf().signalWithStart(given);
  expect(await signalsOf(given.workflowId)).toEqual(['requested', 'requested']);
  expect((await temporal.client.workflow.getHandle(given.workflowId).describe()).runId).toBe(runId);
});

test('reports a command that Temporal refuses as refused and not as an outage', async () => {
  await expect(starterOf().start(command({ workflowId: 'x'.repeat(5_000) }))).rejects.toThrow(CommandRefused);
});

test('reports a missing server as away within seconds', async () => {
  const settings = { namespace: 'default', tls: undefined, apiKey: undefined };
  const nobody = createTemporalClient(settings, `127.0.0.1:${await freePort()}`);
  const starter = createTemporalStarter({ client: nobody.client, attributesAvailable: true });
  const began = Date.now();
  expect(await starter.isReachable()).toBe(false);
  await expect(starter.start(command())).rejects.toThrow(TemporalAway);
  await expect(starter.signal(command({ signal: 'x' }))).rejects.toThrow(TemporalAway);
  expect(Date.now() - began).toBeLessThan(10_000);
  expect(await starterOf().isReachable()).toBe(true);
  await nobody.close();
});

test('starts once with an eager start over the worker’s connection', async () => {
  const eagerClient = new Client({ connection: temporal.nativeConnection });
  const starter = createTemporalStarter({ client: own.client, eagerClient, attributesAvailable: true });
  const given = command();
  await starter.start(given);
  await starter.start(given);
  expect((await temporal.client.workflow.getHandle(given.workflowId).describe()).status.name).toBe('RUNNING');
});
