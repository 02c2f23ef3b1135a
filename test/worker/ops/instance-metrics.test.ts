import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { measureTraffic } from '../../../api/ops/traffic-metrics.ts';
import { allBuilds } from '../../../db/builds/builds.ts';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { measureInstance } from '../../../worker/ops/instance-metrics.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { silent } from '../../support/hooks.ts';
import { world } from '../../support/scenes/world.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(async () => {
  await database.drop();
});

/** Returns the lines of the metrics whose names begin with this. */
async function linesOf(registry: Registry, name: string): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line.startsWith(name)).sort(); // biome-ignore format: one line
}

function measured(): Registry {
  const registry = new Registry();
  measureInstance(registry, database, silent);
  return registry;
}

test('counts builds by status and reason: the open ones, and those that ended within the last hour', async () => {
  const { newBuild } = await world(database);
  const [open, , ended, old] = [await newBuild(), await newBuild(), await newBuild(), await newBuild()];
  await database.write(async (trx) => {
    for (const { id } of [ended, old]) {
      await allBuilds(trx).moveStatus(id, 'failed', { reason: 'start_refused' });
    }
    await trx('builds')
      .where({ id: old.id })
      .update({ finished_at: Date.now() - 3_700_000 });
    // A newer version can have stored this.
    await trx('builds').where({ id: open.id }).update({ reason: 'of_a_newer_version' });
  });
  const registry = measured();
  expect(await linesOf(registry, 'fairlead_builds_open{')).toEqual([
    'fairlead_builds_open{status="queued",reason="other"} 1',
    'fairlead_builds_open{status="queued",reason=""} 1',
  ].sort()); // biome-ignore format: one list
  expect(await linesOf(registry, 'fairlead_builds_ended_last_hour{')).toEqual([
    'fairlead_builds_ended_last_hour{status="failed",reason="start_refused"} 1',
  ]);
});

test('counts open incidents by code, and names no subject', async () => {
  const { orgId, projectId } = await world(database);
  const subjects = ['int_secret_one', 'int_secret_two'];
  await database.write(async (trx) => {
    for (const subjectId of subjects) {
      await allIncidents(trx).raise({ orgId, projectId, subjectId, code: 'registry_refused' });
    }
    await allIncidents(trx).raise({ orgId, projectId, subjectId: 'x', code: 'build_stuck' });
    await allIncidents(trx).resolveSubject('build_stuck', 'x');
  });
  const registry = measured();
  expect(await linesOf(registry, 'fairlead_incidents_open{')).toEqual([
    'fairlead_incidents_open{code="registry_refused"} 2',
  ]);
  const text = await registry.metrics();
  for (const value of [...subjects, orgId, projectId]) expect(text).not.toContain(value);
});

test('counts once for all scrapes of five seconds', async () => {
  const registry = measured();
  await registry.metrics();
  const { newBuild } = await world(database);
  await newBuild();
  expect(await linesOf(registry, 'fairlead_builds_open{')).toEqual([]);
  expect(await linesOf(measured(), 'fairlead_builds_open{')).toHaveLength(1);
});

test('serves the other metrics without the database, and shows no length of the audit log', async () => {
  const lost = await openTestDatabase();
  const registry = new Registry();
  measureInstance(registry, lost, silent);
  measureTraffic({ clockOffByMs: () => 2_000, hostsDown: () => [] }, registry);
  await lost.drop();
  expect(await linesOf(registry, 'fairlead_clock_offset_seconds')).toEqual(['fairlead_clock_offset_seconds 2']);
  expect(await linesOf(registry, 'fairlead_audit_length')).toEqual([]);
});

test('names the hosts that are down, and puts those above twenty together', async () => {
  let down = ['https://api.github.com', 'https://ghes.example.com:8443'];
  const registry = new Registry();
  measureTraffic({ clockOffByMs: () => 0, hostsDown: () => down }, registry);
  expect(await linesOf(registry, 'fairlead_hosts_unavailable{')).toEqual([
    'fairlead_hosts_unavailable{host="api.github.com"} 1',
    'fairlead_hosts_unavailable{host="ghes.example.com:8443"} 1',
  ]);
  down = Array.from({ length: 25 }, (_, number) => `https://host-${number}.example.com`);
  const lines = await linesOf(registry, 'fairlead_hosts_unavailable{');
  expect(lines).toHaveLength(21);
  expect(lines).toContain('fairlead_hosts_unavailable{host="other"} 5');
  down = [];
  expect(await linesOf(registry, 'fairlead_hosts_unavailable{')).toEqual([]);
});
