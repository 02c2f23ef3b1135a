import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { mintedTokensIn } from '../../db/exchange/minted-tokens.ts';
import { idempotencyKeysIn } from '../../db/ops/idempotency-keys.ts';
import { bootstrap, createSignInCode } from '../../db/people/bootstrap.ts';
import { sessionsIn } from '../../db/people/sessions.ts';
import { createPurge } from '../../db/purge.ts';
import { sealedSecrets } from '../../db/secrets/sealed-secrets.ts';
import { commandsIn } from '../../db/store/commands.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { idAt, newId } from '../../domain/ids.ts';
import { registryPasswordKind } from '../../domain/registries/registry-settings.ts';
import { createRelay } from '../../worker/relay/relay.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { createFakeTemporal } from '../support/fakes/fake-temporal.ts';
import { keyring, silent } from '../support/hooks.ts';
import { seed } from '../support/scenes/seed.ts';
import { world } from '../support/scenes/world.ts';

const day = 24 * 3_600_000;
let database: TestDatabase;
let userId: string;
beforeEach(async () => {
  database = await openTestDatabase();
  userId = (await bootstrap(database)).ownerId;
});
afterEach(async () => {
  vi.useRealTimers();
  await database.drop();
});

/** As if it was done `ago` milliseconds before. */
async function before<Result>(ago: number, work: () => Promise<Result>): Promise<Result> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - ago });
  return work().finally(() => vi.useRealTimers());
}

// A new id is never older than an existing one.
let commands = 0;

async function addCommand(workflowId: string, status: 'done' | 'failed' | 'pending'): Promise<void> {
  await database.write(async (trx) => {
    await commandsIn(trx).add({ action: 'start', workflow: 'dispatchBuild', workflowId, input: {} });
    await trx('commands')
      .where({ workflow_id: workflowId })
      .update({ status, id: idAt('cmd', Date.now() + ++commands) });
  });
}

const left = async () => ({
  sessions: await database.reader('sessions').count({ count: '*' }).first(),
  links: await database.reader('sign_in_links').pluck('code_hash'),
  keys: (await database.reader('idempotency_keys').pluck('key')).sort(),
  commands: (await database.reader('commands').pluck('workflow_id')).sort(),
});

test('deletes expired rows in small batches, and nothing else', async () => {
  const session = () => database.write((trx) => sessionsIn(trx).create(userId));
  const claim = (key: string) => database.write((trx) => idempotencyKeysIn(trx, 'user').claim(key, 'print'));
  await before(8 * day, async () => {
    await createSignInCode(database, userId);
    for (let at = 0; at < 5; at += 1) await session();
    await claim('old');
    await addCommand('old done', 'done');
    await addCommand('old failed', 'failed');
    await addCommand('old pending', 'pending');
  });
  const kept = await session();
  await claim('new');
  await addCommand('new done', 'done');

  const rounds: boolean[] = [];
  const purge = createPurge(database, { atMost: 2 });
  while (rounds.length < 10) {
    rounds.push(await purge());
    if (!rounds.at(-1)) break;
  }
  expect(rounds).toEqual([true, true, false]);
  expect(await left()).toMatchObject({
    links: [],
    keys: ['new'],
    commands: ['new done', 'old failed', 'old pending'],
  });
  expect(await database.reader('sessions').pluck('id')).toEqual([kept.id]);
});

test('keeps a code, a session and a key that are still valid', async () => {
  await createSignInCode(database, userId);
  await before(6 * day, () => database.write((trx) => sessionsIn(trx).create(userId)));
  await before(23 * 3_600_000, () => database.write((trx) => idempotencyKeysIn(trx, 'user').claim('a', 'print')));
  await before(6 * day, () => addCommand('done', 'done'));
  const all = await left();
  expect(await createPurge(database)()).toBe(false);
  expect(await left()).toEqual(all);
});

test('is run by the relay', async () => {
  await before(8 * day, () => database.write((trx) => sessionsIn(trx).create(userId)));
  const temporal = createFakeTemporal().starter;
  const relay = createRelay({ database, temporal, logger: silent, registry: new Registry() });
  await relay.start();
  await expect.poll(() => database.reader('sessions'), { timeout: 5_000 }).toEqual([]);
  await relay.stop();
});

test('places the first id of a moment between earlier and later ids', () => {
  const now = Date.now();
  const id = newId('cmd');
  expect(idAt('cmd', now - 1) < id).toBe(true);
  expect(idAt('cmd', Date.now() + 2_000) > id).toBe(true);
});

test('deletes the text of a token soon after its expiry, and keeps the row of its lease', async () => {
  const { orgId, installationId, integrationId } = await world(database);
  const token = (name: string, expiresAt: number) =>
    database.write((trx) =>
      mintedTokensIn(trx).insert({ orgId, integrationId, installationId, token: name, expiresAt }, keyring),
    );
  const minute = 60_000;
  const dead = await token('dead', Date.now() - 21 * minute);
  const dying = await token('dying', Date.now() - 19 * minute);
  const alive = await token('alive', Date.now() + minute);
  await createPurge(database)();
  const kept = await database.reader('minted_tokens').whereNotNull('sealed').pluck('id');
  expect(kept.sort()).toEqual([dying, alive].sort());
  expect(await database.reader('minted_tokens').pluck('id')).toContain(dead);
});

test('destroys a replaced password after a day, and keeps the active one', async () => {
  const integrationId = await seed(database).registry(await seed(database).org());
  const secrets = (trx: Transaction) => sealedSecrets(trx, keyring);
  for (const secret of ['the old password', 'the new password']) {
    await database.write((trx) => secrets(trx).put({ integrationId }, null, registryPasswordKind, secret));
  }
  const credential = await database.reader('credentials').where({ integration_id: integrationId }).first('id');
  const versions = () =>
    database
      .reader('credential_versions')
      .where({ credential_id: credential?.id ?? '' })
      .orderBy('version')
      .select('status', 'sealed');
  await createPurge(database)();
  expect((await versions()).map(({ status }) => status)).toEqual(['retiring', 'active']);
  const aDayAgo = { updated_at: Date.now() - 24 * 3_600_000 - 1 };
  await database.write((trx) =>
    trx('credential_versions')
      .where({ credential_id: credential?.id ?? '' })
      .update(aDayAgo),
  );
  await createPurge(database)();
  expect(await versions()).toMatchObject([
    { status: 'purged', sealed: null },
    { status: 'active', sealed: expect.any(String) },
  ]);
});
