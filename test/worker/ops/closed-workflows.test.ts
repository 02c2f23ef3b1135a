import type { Client } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { allOperations } from '../../../db/ops/operations.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import { createClosedWorkflowSweep } from '../../../worker/ops/closed-workflows.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { seed } from '../../support/scenes/seed.ts';

type Run = { runId: string; type: string; workflowId: string; status: { name: string }; closeTime: Date };

/** What Temporal lists. The last run of the list is the latest one of its workflow. */
let runs: Run[];
let database: TestDatabase;
let owner: { orgId: string; projectId: string };
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database?.drop());
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  runs = [];
  await database.write((trx) => trx('commands').delete());
  owner = await seed(database).org();
});
afterEach(() => {
  vi.useRealTimers();
});

const client = {
  withDeadline: (_: number, call: () => Promise<unknown>) => call(),
  workflow: {
    list: () => runs,
    getHandle: (workflowId: string) => ({
      describe: async () => runs.findLast((run) => run.workflowId === workflowId),
    }),
  },
} as unknown as Client;

const sweep = () => createClosedWorkflowSweep({ database, client, taskQueue: 'fairlead' });
const closed = (type: string, workflowId: string, name: string) =>
  runs.push({ runId: `run-${runs.length}`, type, workflowId, status: { name }, closeTime: new Date() });
const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);
const startedAgain = async () => (await database.reader('commands')).length;

test('restarts a failing workflow with exponential backoff', async () => {
  const id = await seed(database).registry(owner, { status: 'deleting' });
  const look = sweep();
  const starts: number[] = [];
  const began = Date.now();
  for (; Date.now() - began < 3_600_000; pass(20_000)) {
    const before = await startedAgain();
    if (before === runs.length) closed('deleteIntegration', `delete/${id}`, 'FAILED');
    await look();
    await database.write((trx) => trx('commands').update({ status: 'done' }));
    if ((await startedAgain()) > before) starts.push((Date.now() - began) / 1000);
  }
  expect(starts.slice(0, 5)).toEqual([0, 40, 100, 200, 380]);
  expect(starts.length).toBeLessThan(12);
  expect(starts.at(-1)).toBeGreaterThan(1_800);
});

test('does not fail an operation whose next workflow is about to start', async () => {
  const subjectId = await seed(database).registry(owner, {});
  const operation = () =>
    database.write((trx) =>
      allOperations(trx).insert({ ...owner, kind: 'verify', subjectId, workflowId: `verify/${subjectId}` }),
    );
  const { id } = await operation();
  const statusOf = async () => (await allOperations(database.reader).find(id))?.status;
  const next = {
    action: 'start',
    workflow: 'verifyIntegration',
    workflowId: `verify/${subjectId}`,
    input: {},
  } as const;
  await database.write((trx) => commandsIn(trx).add(next));
  closed('verifyIntegration', `verify/${subjectId}`, 'TERMINATED');
  await sweep()();
  expect(await statusOf()).toBe('running');

  await database.write((trx) => trx('commands').update({ status: 'done' }));
  await sweep()();
  expect(await statusOf()).toBe('failed');
});
