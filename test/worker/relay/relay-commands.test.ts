import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Command, commandsIn, type PendingCommand } from '../../../db/store/commands.ts';
import type { Database } from '../../../db/store/connection.ts';
import { createCommandWork } from '../../../worker/relay/commands.ts';
import { startLoop } from '../../../worker/relay/loop.ts';
import { createReachability } from '../../../worker/relay/reachability.ts';
import { createRelayMetrics } from '../../../worker/relay/relay-metrics.ts';
import { CommandRefused } from '../../../worker/temporal-starter.ts';
import { connectAgain, openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { silent } from '../../support/hooks.ts';
import { postgresUrl } from '../../support/programs/postgres-server.ts';

let database: TestDatabase;
let stops: (() => Promise<unknown>)[];
beforeEach(async () => {
  database = await openTestDatabase();
  stops = [];
});
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  await database.drop();
});

const start = (name: string): Command => ({
  action: 'start',
  workflow: 'dispatchBuild',
  workflowId: `build/${name}`,
  input: { buildId: name },
});
const signal = (name: string, signalName: string): Command => ({
  ...start(name),
  action: 'signal',
  signal: signalName,
});

async function add(...commands: Command[]): Promise<void> {
  await database.write((trx) => commandsIn(trx).add(...commands));
}

const statuses = async () => {
  const rows = await database.reader('commands').orderBy('id');
  return rows.map(({ status }) => status);
};

/** The command loop of one relay. */
function carryOut(temporal: ReturnType<typeof createFakeTemporal>, on: Database = database) {
  const givenUp: PendingCommand[] = [];
  const work = createCommandWork({
    database: on,
    temporal: temporal.starter,
    reachability: createReachability(temporal.starter),
    giveUp: async (_, command) => {
      givenUp.push(command);
    },
    metrics: createRelayMetrics(new Registry()),
    logger: silent,
  });
  const loop = startLoop({ name: 'commands', everyMs: 100, work, logger: silent });
  const unhear = on.onWake('commands', loop.wake);
  const stop = async () => {
    unhear();
    await loop.stop();
  };
  stops.push(stop);
  return { givenUp, stop };
}

test('sends each command once, at most sixteen at a time', async () => {
  const temporal = createFakeTemporal({ delayMs: 5 });
  carryOut(temporal);
  await add(...Array.from({ length: 150 }, (_, n) => start(`many-${n}`)));
  await expect.poll(statuses, { timeout: 10_000 }).toEqual(Array(150).fill('done'));
  expect(temporal.handed).toHaveLength(150);
  expect(temporal.mostAtOnce).toBe(16);
});

test('gives up nothing during an outage of Temporal, tries little, and sends everything afterwards', async () => {
  const temporal = createFakeTemporal();
  temporal.setAway(true);
  carryOut(temporal);
  await add(...Array.from({ length: 100 }, (_, n) => start(`away-${n}`)));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(await statuses()).toEqual(Array(100).fill('pending'));
  expect(temporal.asked).toBeLessThanOrEqual(64);

  temporal.setAway(false);
  await expect.poll(statuses, { timeout: 10_000 }).toEqual(Array(100).fill('done'));
  expect(new Set(temporal.handed.map(({ workflowId }) => workflowId)).size).toBe(100);
});

test('retries a command after an unknown failure', async () => {
  const temporal = createFakeTemporal();
  temporal.failNext(new Error('not today'), new Error('nor now'));
  carryOut(temporal);
  await add(start('stubborn'));
  await expect.poll(statuses, { timeout: 5_000 }).toEqual(['done']);
  expect(temporal.asked).toBe(3);
});

test('fails a command that Temporal refuses, and notifies the operators', async () => {
  const temporal = createFakeTemporal();
  temporal.failNext(new CommandRefused('no such workflow'));
  const { givenUp } = carryOut(temporal);
  await add(start('refused'));
  await expect.poll(statuses).toEqual(['failed']);
  expect(givenUp.map(({ workflowId }) => workflowId)).toEqual(['build/refused']);
});

test('sends a signal after the start of its workflow, and keeps the order of signals', async () => {
  const temporal = createFakeTemporal();
  temporal.failNext(new Error('the start fails at first'));
  await add(signal('ordered', 'early'), start('ordered'), signal('ordered', 'second'), signal('ordered', 'third'));
  carryOut(temporal);
  await expect.poll(statuses, { timeout: 5_000 }).toEqual(Array(4).fill('done'));
  expect(temporal.handed.map(({ action, signal }) => signal ?? action)).toEqual(['start', 'early', 'second', 'third']);
});

test('sends later commands although a start has failed permanently', async () => {
  const temporal = createFakeTemporal();
  temporal.failNext(new CommandRefused('no'));
  await add(start('gone'), signal('gone', 'canceled'));
  carryOut(temporal);
  await expect.poll(statuses).toEqual(['failed', 'done']);
});

test('frees the claims of a dead relay after the claim’s time', async () => {
  await add(start('orphan'));
  await database.write((trx) => commandsIn(trx).claim(10, 400));
  const temporal = createFakeTemporal();
  carryOut(temporal);
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(temporal.asked).toBe(0);
  await expect.poll(statuses, { timeout: 3_000 }).toEqual(['done']);
});

test('waits during a stop for the running commands and marks them', async () => {
  const temporal = createFakeTemporal({ delayMs: 200 });
  const { stop } = carryOut(temporal);
  await add(...Array.from({ length: 16 }, (_, n) => start(`stop-${n}`)));
  await expect.poll(() => temporal.asked).toBe(16);
  await stop();
  expect(await statuses()).toEqual(Array(16).fill('done'));
});

test('shares the commands among several relays without sending any twice', async () => {
  const temporal = createFakeTemporal({ delayMs: 2 });
  await add(...Array.from({ length: 400 }, (_, n) => start(`shared-${n}`)));
  for (let n = 0; n < 3; n++) {
    // On Postgres each relay has its own connections, like separate processes. SQLite has only one process.
    const other = postgresUrl ? connectAgain(database.source) : database;
    if (other !== database) stops.push(() => other.close());
    carryOut(temporal, other);
  }
  await expect.poll(statuses, { timeout: 20_000 }).toEqual(Array(400).fill('done'));
  expect(temporal.asked).toBe(400);
});
