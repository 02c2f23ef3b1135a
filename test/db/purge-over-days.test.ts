import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { idempotencyKeysIn } from '../../db/ops/idempotency-keys.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import { bootstrap } from '../../db/people/bootstrap.ts';
import { sessionsIn } from '../../db/people/sessions.ts';
import { createPurge } from '../../db/purge.ts';
import { rotationsIn } from '../../db/secrets/rotations.ts';
import { sealedSecrets } from '../../db/secrets/sealed-secrets.ts';
import { retentionOf } from '../../domain/ops/retention.ts';
import { registryPasswordKind } from '../../domain/registries/registry-settings.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { keyring } from '../support/hooks.ts';
import { oldData } from '../support/scenes/old-data.ts';
import { seed } from '../support/scenes/seed.ts';
import { world } from '../support/scenes/world.ts';

const day = 24 * 3_600_000;
/** The shortest ages that an operator can choose. */
const days = { body: 2, history: 35 };
/** From day 38 on, as much is deleted as is added. */
const [steadyFrom, lastDay] = [38, 76];
const perDay = { webhooks: 4, builds: 2 };

let database: TestDatabase;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  database = await openTestDatabase();
});
afterEach(async () => {
  vi.useRealTimers();
  await database.drop();
});

async function tables(): Promise<string[]> {
  const { reader, dialect } = database;
  const names: { name: string }[] =
    dialect === 'sqlite'
      ? await reader('sqlite_master').where({ type: 'table' }).select('name')
      : await reader('pg_tables').where({ schemaname: 'public' }).select('tablename as name');
  return names.map(({ name }) => name).filter((name) => !/^(sqlite_|migrations)/.test(name));
}

async function countRows(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of await tables()) {
    const row = await database.reader(table).count({ count: '*' }).first();
    counts[table] = Number(row?.['count'] ?? 0);
  }
  return counts;
}

/** The size of SQLite's file without the free pages at its end. On Postgres, the size of all stored bodies. */
async function countBytes(): Promise<number> {
  const { reader, dialect } = database;
  if (dialect === 'sqlite') return (await reader.raw('pragma page_count'))[0].page_count * 4096;
  const sizes = await reader.raw(
    'select (select coalesce(sum(length(body)), 0) from delivery_bodies) + (select coalesce(sum(length(bytes)), 0) from large_body_parts) as bytes',
  );
  return Number(sizes.rows[0].bytes);
}

test('a store under steady load stays bounded, and keeps what is still needed', async () => {
  const here = await world(database);
  const old = oldData(database, here);
  const { ownerId } = await bootstrap(database);
  const registryId = await seed(database).registry(here);
  const pipelines = [await here.newPipeline({ name: 'one' }), await here.newPipeline({ name: 'two' })];
  const idle = await here.newPipeline({ name: 'idle' });
  const purge = createPurge(database, { retention: retentionOf(days) });
  const guids: { guid: string; at: number }[] = [];

  /** The first day's work that is still open or in use at the end. */
  const needed = {
    undecided: await old.addDelivery(),
    undecidedLarge: await old.addLargeDelivery(3),
    running: await old.addBuild(pipelines[0] ?? '', 'queued'),
    deployed: await old.addBuild(idle),
    deletion: await old.addOperation('delete'),
    waiting: await old.addOperation('recover', false),
    token: await old.addToken(null),
    flow: await old.addFlow('operator', here.githubAppId, false),
  };
  await old.write((trx) => allIncidents(trx).raise(incident('open')));

  function incident(subjectId: string) {
    return { orgId: here.orgId, projectId: null, code: 'build_stuck' as const, subjectId };
  }

  async function oneDay(): Promise<void> {
    for (let n = 0; n < perDay.webhooks; n += 1) {
      const guid = randomUUID();
      guids.push({ guid, at: Date.now() });
      const id = await old.addDelivery({ guid, body: randomBytes(20_000) });
      if (n < perDay.builds) {
        const build = await old.addBuild(pipelines[n % 2] ?? '', n === 0 ? 'failed' : 'succeeded');
        await old.addDecision(id, build);
        await old.addLease(build.id);
        await old.addToken(Date.now() + 3_600_000, 'system', build.id);
      }
      await old.decide(id, n < perDay.builds ? 'processed' : 'ignored');
    }
    await old.decide(await old.addLargeDelivery(3, randomBytes(512 * 1024)));
    await old.addOperation('sync');
    await old.addFlow('operator');
    const subjectId = randomUUID();
    await old.write(async (trx) => {
      await allIncidents(trx).raise(incident(subjectId));
      await allIncidents(trx).resolveSubject('build_stuck', subjectId);
      await sealedSecrets(trx, keyring).put({ integrationId: registryId }, null, registryPasswordKind, subjectId);
      await idempotencyKeysIn(trx, 'caller').claim(subjectId, 'print');
      await sessionsIn(trx).create(ownerId);
      await trx('commands').where({ status: 'pending' }).update({ status: 'done' });
    });
    await rotateOnce();
  }

  async function rotateOnce(): Promise<void> {
    const operationId = await old.addOperation('rotate');
    const { orgId, projectId } = here;
    await old.write(async (trx) => {
      const credential = await trx('credentials').where({ integration_id: registryId }).first('id');
      const rotation = await rotationsIn(trx).insert({
        ...{ orgId, projectId, integrationId: registryId, credentialId: credential?.id ?? '', operationId },
        ...{ mode: 'auto', newVersion: 2, oldVersion: 1, requestedBy: 'system' },
      });
      await rotationsIn(trx).move(rotation?.id ?? '', 'rejected');
    });
  }

  let steady = { rows: {} as Record<string, number>, bytes: 0 };
  for (let today = 1; today <= lastDay; today += 1) {
    await oneDay();
    vi.setSystemTime(Date.now() + day);
    while (await purge());
    if (today === steadyFrom) steady = { rows: await countRows(), bytes: await countBytes() };
  }

  const rows = await countRows();
  const grown = Object.keys(rows).filter((table) => (rows[table] ?? 0) > (steady.rows[table] ?? 0) * 1.05 + 2);
  expect(grown).toEqual([]);
  expect(await countBytes()).toBeLessThan(steady.bytes * 1.05);
  // Bodies of two days, and rows of 35 days.
  expect(rows['delivery_bodies']).toBeLessThanOrEqual((days.body + 1) * perDay.webhooks + 1);
  expect(rows['large_body_parts']).toBeLessThanOrEqual((days.body + 1) * 3 + 3);
  expect(rows['deliveries']).toBeLessThanOrEqual((days.history + 1) * (perDay.webhooks + 1) + 2);
  expect(rows['builds']).toBeLessThanOrEqual((days.history + 1) * perDay.builds + 4);

  const find = async (table: string, id: string) => (await database.reader(table).where({ id }).first()) !== undefined;
  expect(await find('deliveries', needed.undecided)).toBe(true);
  expect(await database.reader('delivery_bodies').where({ delivery_id: needed.undecided })).toHaveLength(1);
  expect(await database.reader('large_body_parts').where({ delivery_id: needed.undecidedLarge })).toHaveLength(3);
  expect(await find('builds', needed.running.id)).toBe(true);
  expect(await find('builds', needed.deployed.id)).toBe(true);
  expect(await find('operations', needed.deletion)).toBe(true);
  expect(await find('operations', needed.waiting)).toBe(true);
  expect(await find('tokens', needed.token)).toBe(true);
  expect(await find('connect_flows', needed.flow)).toBe(true);
  expect(await database.reader('incidents').where({ status: 'open' }).pluck('subject_id')).toEqual(['open']);
  const recent = guids.filter(({ at }) => at > Date.now() - (days.history - 1) * day);
  expect(recent.length).toBeGreaterThan(100);
  for (const { guid } of recent) expect((await old.store(guid, Buffer.from('{}'))).duplicate).toBe(true);
});
