import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { checkActivities } from '../../activities/registries/registry-watch.ts';
import { checkRegistries } from '../../workflows/check-registries.ts';
import { historyText } from '../support/canaries/history-text.ts';
import { openTestDatabase } from '../support/database.ts';
import { seed } from '../support/scenes/seed.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeEach(async () => {
  env = await startTimeSkipping();
}, 60_000);
afterEach(() => env?.teardown());

type Steps = Pick<Activities, 'claimDueChecks' | 'watchRegistries'>;

/** Runs the workflow once, and returns what an operator sees of it. */
async function run(activities: Steps) {
  return withWorker(env, temporal().codePath, activities, async ({ client, taskQueue, steps }) => {
    const handle = await client.workflow.start(checkRegistries, { taskQueue, workflowId: `checks/${randomUUID()}` });
    await handle.result();
    const { currentDetails } = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
    return { steps, currentDetails, history: await historyText(handle) };
  });
}

const watchRegistries = async () => {};

test('checks all registries that are due in batches, and continues in the next run after a long downtime', async () => {
  const left = [200, 200, 7];
  const { steps, currentDetails } = await run({
    watchRegistries,
    claimDueChecks: async () => ({ claimed: left[0] ?? 0, more: left.shift() === 200 }),
  });
  expect(steps).toEqual(['watchRegistries', 'claimDueChecks', 'claimDueChecks', 'claimDueChecks']);
  expect(currentDetails).toMatch(/407 registries/);
  const endless = await run({ watchRegistries, claimDueChecks: async () => ({ claimed: 200, more: true }) });
  expect(endless.steps.filter((step) => step === 'claimDueChecks')).toHaveLength(10);
});

test('retries after a short database outage', async () => {
  let failures = 2;
  const { steps } = await run({
    async watchRegistries() {
      failures -= 1;
      if (failures >= 0) throw new Error('away');
    },
    claimDueChecks: async () => ({ claimed: 0, more: false }),
  });
  expect(steps).toEqual(['watchRegistries', 'watchRegistries', 'watchRegistries', 'claimDueChecks']);
});

test('starts a workflow for each registry, with only its ID', async () => {
  const database = await openTestDatabase();
  const owner = await seed(database).org();
  const id = await seed(database).registry(owner, { next_check_at: Date.now() });
  await seed(database).registry(owner, { next_check_at: Date.now() + 60_000 });
  const { currentDetails, history } = await run(checkActivities({ database }));
  const commands = await database.reader('commands');
  await database.drop();
  expect(commands).toMatchObject([{ action: 'signal_with_start', workflow_id: `verify/${id}`, signal: 'requested' }]);
  expect(JSON.parse(commands[0]?.input ?? '')).toEqual({ integrationId: id });
  expect(currentDetails).toMatch(/1 registries/);
  expect(history).not.toMatch(/robot|registry\.example/);
});
