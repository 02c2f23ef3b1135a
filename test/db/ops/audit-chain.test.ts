import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { appendAudit } from '../../../db/ops/audit.ts';
import { chainAudit, contentOf, linkOf } from '../../../db/ops/audit-chain.ts';
import { verifyChain } from '../../../db/ops/verify-chain.ts';
import { createAuditKeys, openAuditKeys, useAuditKeys } from '../../../db/store/audit-keys.ts';
import { createKeyring } from '../../../db/store/sealing.ts';
import type { AuditEventRow } from '../../../db/store/tables.ts';
import { newId } from '../../../domain/ids.ts';
import { auditKeysOfTests, openTestDatabase, type TestDatabase } from '../../support/database.ts';
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

const chain = (limit?: number) => database.write(async (trx) => (await chainAudit(trx, limit)).count);
const verify = (name = orgId) => verifyChain(database.reader, name);
const rows = (): Promise<AuditEventRow[]> =>
  database.reader('audit_events').where({ chain: orgId }).orderBy(['sequence', 'id']);
const change = (sequence: number, columns: Partial<AuditEventRow>) =>
  database.write((trx) => trx('audit_events').where({ chain: orgId, sequence }).update(columns));

test('gives every row one place without gaps, and recognizes rows that came later', async () => {
  await record(5);
  expect(await verify()).toMatchObject({ finding: 'intact', length: 0, unchained: 5 });
  expect(await chain()).toBeGreaterThanOrEqual(5);
  await record(2);
  const verdict = await verify();
  expect(verdict).toMatchObject({ finding: 'intact', length: 5, unchained: 2 });
  expect(verdict.head).toMatch(/^tests\.[0-9a-f]{64}$/);
  await chain();
  expect((await rows()).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(await chain()).toBe(0);
});

test('places a row that was committed late after the chained ones, which keep their places', async () => {
  const keep = database.dialect === 'postgres';
  // The transaction of the late row begins first, so its id is the smallest.
  const late = keep ? await database.migrationPool.transaction() : undefined;
  if (late) await appendAudit(late, entry(0));
  await record(2);
  await chain();
  const before = (await rows()).map(({ hash }) => hash);
  if (late) await late.commit();
  else await database.write((trx) => appendAudit(trx, entry(0)));
  await chain();
  const after = await rows();
  expect(after.map(({ hash }) => hash).slice(0, 2)).toEqual(before);
  expect(after[2]).toMatchObject({ target: 'app 0', sequence: 3 });
  if (keep) expect(after[2]?.id.localeCompare(after[0]?.id ?? '')).toBe(-1);
  expect(await verify()).toMatchObject({ finding: 'intact', length: 3 });
});

test('gives no place twice with several concurrent writers', async () => {
  await record(30);
  await Promise.all(Array.from({ length: 6 }, () => chain(10)));
  for (;;) if ((await chain()) === 0) break;
  expect((await rows()).map(({ sequence }) => sequence)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  expect(await verify()).toMatchObject({ finding: 'intact', length: 30, unchained: 0 });
});

test('keeps a chain for each organization, and one for rows without an organization', async () => {
  const other = await addOrg(database, 'Other');
  await record(2);
  await record(3, other);
  await record(1, null);
  await chain();
  expect(await verify()).toMatchObject({ chain: orgId, length: 2 });
  expect(await verify(other)).toMatchObject({ chain: other, length: 3 });
  expect(await verify('instance')).toMatchObject({ finding: 'intact', unchained: 0 });
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
    expect(await verify()).toMatchObject({ finding: 'intact', length: 5 });
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
    expect(await verify()).toMatchObject({ finding: 'changed', firstBadSequence: 3 });
  });

  test('deleted', async () => {
    await database.write((trx) => trx('audit_events').where({ chain: orgId, sequence: 3 }).delete());
    expect(await verify()).toMatchObject({ firstBadSequence: 3 });
  });

  test('swapped with the fourth', async () => {
    await change(3, { sequence: 99 });
    await change(4, { sequence: 3 });
    await change(99, { sequence: 4 });
    expect(await verify()).toMatchObject({ firstBadSequence: 3 });
  });

  test('removed from the chain', async () => {
    await change(3, { sequence: null, hash: null, previous_hash: null });
    expect(await verify()).toMatchObject({ finding: 'cut', firstBadSequence: 3, unchained: 1 });
  });
});

/** Hashes the chain again, as an attacker can who knows the algorithm but not the key. */
async function rehash(): Promise<void> {
  const guess = createAuditKeys('tests', new Map([['tests', new Uint8Array(32).fill(8)]]));
  let previous = '';
  for (const [index, row] of (await rows()).entries()) {
    const mac = guess.sign(contentOf(row));
    const hash = guess.sign(linkOf({ ...row, mac }, index + 1, previous));
    await database.write((trx) =>
      trx('audit_events')
        .where({ id: row.id })
        .update({ mac, hash, previous_hash: previous, sequence: index + 1 }),
    );
    previous = hash;
  }
}
const remove = (where: Partial<AuditEventRow>) =>
  database.write((trx) =>
    trx('audit_events')
      .where({ chain: orgId, ...where })
      .delete(),
  );
const removeRecord = () => database.write((trx) => trx('audit_heads').where({ chain: orgId }).delete());

describe('verification finds that an attacker without the key', () => {
  beforeEach(async () => {
    await record(5);
    await chain();
    // The organization is older than the rows that come after the attack.
    await database.write((trx) => trx('orgs').where({ id: orgId }).decrement('created_at', 3_600_000));
  });

  const attacks: Record<string, { attack(): Promise<unknown>; found: object }> = {
    'cuts the tail': { attack: () => remove({ sequence: 5 }), found: { finding: 'cut', firstBadSequence: 5 } },
    'cuts the tail and the record': {
      attack: async () => [await remove({ sequence: 5 }), await removeRecord()],
      found: { finding: 'changed', length: 4 },
    },
    'deletes the whole chain': { attack: () => remove({}), found: { finding: 'cut', firstBadSequence: 1 } },
    'deletes the whole chain and the record': {
      attack: async () => [await remove({}), await removeRecord()],
      found: { finding: 'cut', firstBadSequence: 1 },
    },
    'changes the record': {
      attack: () =>
        database.write((trx) => trx('audit_heads').where({ chain: orgId }).update({ sequence: 9, hash: 'x' })),
      found: { finding: 'changed', length: 5 },
    },
    'hashes the whole chain again': {
      attack: async () => [await change(2, { actor: 'user:nobody' }), await rehash()],
      found: { finding: 'changed', firstBadSequence: 1 },
    },
    'edits the last row and takes it out of the chain': {
      attack: () => change(5, { actor: 'user:nobody', sequence: null, hash: null, previous_hash: null }),
      found: { finding: 'changed', length: 4, unchained: 1 },
    },
    'adds a row': {
      attack: async () => {
        const [row] = await rows();
        const copy = { ...row, id: newId('aud'), sequence: null, hash: null, previous_hash: null };
        await database.write((trx) => trx('audit_events').insert(copy as AuditEventRow));
      },
      found: { finding: 'changed', unchained: 1 },
    },
  };

  test.each(Object.entries(attacks))('%s', async (_, { attack, found }) => {
    await attack();
    expect(await verify()).toMatchObject(found);
    // The relay continues, and does not hide the attack.
    await record(2);
    await chain();
    expect((await verify()).finding).not.toBe('intact');
  });

  test('edits the last row, and the relay chains it again', async () => {
    await change(5, { actor: 'user:nobody', sequence: null, hash: null, previous_hash: null });
    await chain();
    expect(await verify()).toMatchObject({ finding: 'cut', firstBadSequence: 5 });
  });

  test('swaps rows between two chains', async () => {
    const other = await addOrg(database, 'Other');
    await record(5, other);
    await chain();
    const [ours, theirs] = [orgId, other].map((name) => ({ chain: name, sequence: 3 }));
    const aside = { chain: orgId, sequence: 99 };
    await database.write(async (trx) => {
      await trx('audit_events')
        .where(ours ?? {})
        .update(aside);
      await trx('audit_events')
        .where(theirs ?? {})
        .update({ ...ours, org_id: orgId });
      await trx('audit_events')
        .where(aside)
        .update({ ...theirs, org_id: other });
    });
    expect(await verify()).toMatchObject({ finding: 'changed', firstBadSequence: 3 });
    expect(await verify(other)).toMatchObject({ finding: 'changed', firstBadSequence: 3 });
  });

  test('edits a row before it is chained', async () => {
    await record(1);
    const [waiting] = (await rows()).filter(({ sequence }) => sequence === null);
    const edited = { id: waiting?.id ?? '' };
    await database.write((trx) => trx('audit_events').where(edited).update({ target: 'app 9' }));
    expect(await verify()).toMatchObject({ finding: 'changed', firstBadId: edited.id, unchained: 1 });
    await chain();
    expect(await verify()).toMatchObject({ finding: 'changed', firstBadSequence: 6 });
  });

  test('restores an older copy of the rows and the record, if it gets a kept head', async () => {
    const copy = { rows: await rows(), record: await database.reader('audit_heads').where({ chain: orgId }) };
    await record(2);
    await chain();
    const { length, head } = await verify();
    await remove({});
    await removeRecord();
    await database.write(async (trx) => {
      await trx('audit_events').insert(copy.rows);
      await trx('audit_heads').insert(copy.record);
    });
    expect(await verify()).toMatchObject({ finding: 'intact', length: 5 });
    const kept = { sequence: length, hash: head };
    expect(await verifyChain(database.reader, orgId, kept)).toMatchObject({ finding: 'cut', firstBadSequence: 6 });
    await record(2);
    await chain();
    expect(await verifyChain(database.reader, orgId, kept)).toMatchObject({ finding: 'changed', firstBadSequence: 7 });
  });
});

test('the chain of the instance shows that an attacker deleted a chain with its record', async () => {
  await record(2);
  await record(1, null);
  await chain();
  await remove({});
  await removeRecord();
  expect(await verify('instance')).toMatchObject({ finding: 'cut' });
});

test('keeps old chains verifiable when a master key is retired', async () => {
  const key = (id: string) => ({ id, key: new Uint8Array(randomBytes(32)) });
  const [old, fresh] = [key('old'), key('fresh')];
  const useKeys = async (...keys: ReturnType<typeof key>[]) =>
    useAuditKeys(database, await openAuditKeys(database, createKeyring(keys)));
  try {
    await useKeys(old);
    await record(2);
    await chain();
    await useKeys(fresh, old);
    await record(2);
    await chain();
    await useKeys(fresh);
    expect(await verify()).toMatchObject({ finding: 'intact', length: 4 });
    expect((await rows()).map(({ mac }) => mac?.split('.')[0])).toEqual(['old', 'old', 'fresh', 'fresh']);
    await expect(openAuditKeys(database, createKeyring([old]))).rejects.toThrow(/"fresh"/);
  } finally {
    useAuditKeys(database, auditKeysOfTests);
  }
});
