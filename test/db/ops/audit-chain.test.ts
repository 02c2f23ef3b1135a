import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { appendAudit } from '../../../db/ops/audit.ts';
import { chainAudit, verifyChain } from '../../../db/ops/audit-chain.ts';
import type { AuditEventRow } from '../../../db/store/tables.ts';
import { newId } from '../../../domain/ids.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addOrg } from '../../support/scenes/tenants.ts';

let database: TestDatabase;
let orgId: string;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  orgId = await addOrg(database);
});

const entry = (number: number, org: string | null = orgId) => ({
  orgId: org,
  actor: 'operator',
  action: 'app.created',
  target: `app ${number}`,
  ip: '127.0.0.1',
  requestId: `request ${number}`,
  detail: { number },
});

async function record(count: number, org: string | null = orgId): Promise<void> {
  for (let number = 1; number <= count; number += 1) {
    await database.write((trx) => appendAudit(trx, entry(number, org)));
  }
}

const chain = (limit?: number) => database.write((trx) => chainAudit(trx, limit));
const verify = (name = orgId) => verifyChain(database.reader, name);
const rows = (): Promise<AuditEventRow[]> =>
  database.reader('audit_events').where({ chain: orgId }).orderBy(['sequence', 'id']);
const change = (sequence: number, columns: Partial<AuditEventRow>) =>
  database.write((trx) => trx('audit_events').where({ chain: orgId, sequence }).update(columns));

test('gives every row one place without gaps, and recognizes rows that came later', async () => {
  await record(5);
  expect(await verify()).toMatchObject({ intact: true, length: 0, unchained: 5 });
  expect(await chain()).toBeGreaterThanOrEqual(5);
  await record(2);
  const verdict = await verify();
  expect(verdict).toMatchObject({ intact: true, length: 5, unchained: 2 });
  expect(verdict.head).toMatch(/^[0-9a-f]{64}$/);
  await chain();
  expect((await rows()).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(await chain()).toBe(0);
});

test('places a row that was committed late after the chained ones, which keep their places', async () => {
  await record(2);
  await chain();
  const before = (await rows()).map(({ hash }) => hash);
  await record(1);
  // Its transaction began first, so its id is the smallest.
  const late = (await rows()).find(({ sequence }) => sequence === null);
  const early = `aud_${'0'.repeat(26)}`.slice(0, 24) + (late?.id ?? '').slice(-6);
  await database.write((trx) =>
    trx('audit_events')
      .where({ id: late?.id ?? '' })
      .update({ id: early }),
  );
  await chain();
  const after = await rows();
  expect(after.map(({ hash }) => hash).slice(0, 2)).toEqual(before);
  expect(after[2]).toMatchObject({ id: early, sequence: 3 });
  expect(await verify()).toMatchObject({ intact: true, length: 3 });
});

test('gives no place twice with several concurrent writers', async () => {
  await record(30);
  await Promise.all(Array.from({ length: 6 }, () => chain(10)));
  for (;;) if ((await chain()) === 0) break;
  expect((await rows()).map(({ sequence }) => sequence)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  expect(await verify()).toMatchObject({ intact: true, length: 30, unchained: 0 });
});

test('keeps a chain for each organization, and one for rows without an organization', async () => {
  const other = await addOrg(database, 'Other');
  await record(2);
  await record(3, other);
  await record(1, null);
  await chain();
  expect(await verify()).toMatchObject({ chain: orgId, length: 2 });
  expect(await verify(other)).toMatchObject({ chain: other, length: 3 });
  expect(await verify('instance')).toMatchObject({ intact: true, unchained: 0 });
});

test('leaves no row for an act that fails, and rolls back an act whose row cannot be written', async () => {
  const failing = database.write(async (trx) => {
    await appendAudit(trx, entry(1));
    throw new Error('the act failed');
  });
  await expect(failing).rejects.toThrow('the act failed');
  expect(await rows()).toEqual([]);

  const unrecorded = database.write(async (trx) => {
    await trx('orgs').where({ id: orgId }).update({ name: 'Changed' });
    await appendAudit(trx, { ...entry(1), orgId: newId('org') });
  });
  await expect(unrecorded).rejects.toThrow();
  expect(await database.reader('orgs').where({ id: orgId }).first()).toMatchObject({ name: 'Acme' });
});

describe('finds tampering with the third of five rows', () => {
  beforeEach(async () => {
    await record(5);
    await chain();
    expect(await verify()).toMatchObject({ intact: true, length: 5 });
  });

  const columns: [string, Partial<AuditEventRow>][] = [
    ['actor', { actor: 'user:somebody' }],
    ['action', { action: 'app.deleted' }],
    ['target', { target: 'app 9' }],
    ['outcome', { outcome: 'failed' }],
    ['ip', { ip: null }],
    ['request_id', { request_id: 'another' }],
    ['detail', { detail: '{"number":4}' }],
    ['created_at', { created_at: 1 }],
    ['org_id', { org_id: null }],
    ['hash', { hash: 'f'.repeat(64) }],
    ['previous_hash', { previous_hash: 'f'.repeat(64) }],
  ];
  test.each(columns)('%s changed', async (_, changed) => {
    await change(3, changed);
    expect(await verify()).toMatchObject({ intact: false, firstBadSequence: 3 });
  });

  test('deleted', async () => {
    await database.write((trx) => trx('audit_events').where({ chain: orgId, sequence: 3 }).delete());
    expect(await verify()).toMatchObject({ intact: false, firstBadSequence: 3 });
  });

  test('swapped with the fourth', async () => {
    await change(3, { sequence: 99 });
    await change(4, { sequence: 3 });
    await change(99, { sequence: 4 });
    expect(await verify()).toMatchObject({ intact: false, firstBadSequence: 3 });
  });

  test('removed from the chain', async () => {
    await change(3, { sequence: null, hash: null, previous_hash: null });
    expect(await verify()).toMatchObject({ intact: false, firstBadSequence: 3, unchained: 1 });
  });

  test('finds rows that were cut off at the end only with a stored head', async () => {
    const { head } = await verify();
    await database.write((trx) => trx('audit_events').where({ chain: orgId }).where('sequence', '>', 3).delete());
    const verdict = await verify();
    expect(verdict).toMatchObject({ intact: true, length: 3 });
    expect(verdict.head).not.toBe(head);
  });
});
