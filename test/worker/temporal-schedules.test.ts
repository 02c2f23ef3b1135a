import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureSchedules } from '../../worker/schedules.ts';
import { createTemporalClient } from '../../worker/temporal-client.ts';
import { silent } from '../support/hooks.ts';
import { freePort } from '../support/programs/processes.ts';
import { connectTemporal } from '../support/temporal.ts';

let temporal: Awaited<ReturnType<typeof connectTemporal>>;

beforeAll(async () => {
  temporal = await connectTemporal();
});
afterAll(() => temporal.close());

/** Returns a logger that collects warnings. */
function listening() {
  const warnings: unknown[] = [];
  return { warnings, logger: { ...silent, warn: (...said: unknown[]) => void warnings.push(said) } as typeof silent };
}

const handle = () => temporal.client.schedule.getHandle('recover-deliveries');

test('lets any number of workers create the schedules at once, and updates an old one', async () => {
  const { warnings, logger } = listening();
  await Promise.all([1, 2, 3].map(() => ensureSchedules(temporal.client, logger)));
  expect(warnings).toEqual([]);
  expect(await handle().describe()).toMatchObject({
    spec: { intervals: [{ every: 300_000 }] },
    policies: { overlap: 'SKIP', catchupWindow: 60_000 },
    action: { workflowType: 'recoverAllDeliveries', args: [] },
  });

  // An earlier version may have created the schedule like this, and an operator may have paused it for a reason.
  await handle().update((before) => ({ ...before, spec: { intervals: [{ every: '1 hour' }] } }));
  await handle().pause('while the network is repaired');
  await ensureSchedules(temporal.client, logger);
  const after = await handle().describe();
  await handle().unpause();
  expect(warnings).toEqual([]);
  expect(after.spec.intervals).toMatchObject([{ every: 300_000 }]);
  expect(after.state).toMatchObject({ paused: true });
});

test('compares Apps with GitHub each night, even after a night of downtime', async () => {
  await ensureSchedules(temporal.client, silent);
  expect(await temporal.client.schedule.getHandle('reconcile').describe()).toMatchObject({
    spec: { calendars: [{ hour: [{ start: 3 }] }], jitter: 1_800_000 },
    policies: { overlap: 'SKIP', catchupWindow: 43_200_000 },
    action: { workflowType: 'reconcile', workflowId: 'reconcile/all' },
  });
});

test('rotates the signing keys each day', async () => {
  await ensureSchedules(temporal.client, silent);
  expect(await temporal.client.schedule.getHandle('rotate-signing-keys').describe()).toMatchObject({
    spec: { calendars: [{ hour: [{ start: 4 }] }], jitter: 1_800_000 },
    policies: { overlap: 'SKIP', catchupWindow: 43_200_000 },
    action: { workflowType: 'rotateSigningKeys', workflowId: 'rotate-signing-keys', args: [] },
  });
});

test('looks for registries that are due every five minutes', async () => {
  await ensureSchedules(temporal.client, silent);
  expect(await temporal.client.schedule.getHandle('check-registries').describe()).toMatchObject({
    spec: { intervals: [{ every: 300_000 }] },
    policies: { overlap: 'SKIP', catchupWindow: 60_000 },
    action: { workflowType: 'checkRegistries', workflowId: 'check-registries', args: [] },
  });
});

/** A cluster that does not respond, one that does not listen, and one that does not know the namespace. */
test.each(['silent', 'away', 'refusing'])(
  'a cluster that is %s does not prevent a start',
  async (how) => {
    const open = new Set<Socket>();
    const server = createServer((socket) => open.add(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = how === 'silent' ? (server.address() as AddressInfo).port : await freePort();
    const isRefusing = how === 'refusing';
    const other = createTemporalClient(
      { namespace: isRefusing ? 'nobody-has-this-one' : 'default', tls: undefined, apiKey: undefined },
      isRefusing ? temporal.address : `127.0.0.1:${port}`,
    );
    const { warnings, logger } = listening();
    await ensureSchedules(other.client, logger);
    expect(warnings).toHaveLength(4);
    await other.close();
    for (const socket of open) socket.destroy();
    server.close();
  },
  15_000,
);
