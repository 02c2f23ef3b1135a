import { randomBytes } from 'node:crypto';
import type { Tables } from 'knex/types/tables.js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addFirstSigningKey, addSuccessor, signingKeysIn } from '../../../db/clouds/signing-keys.ts';
import { openAuditKeys } from '../../../db/store/audit-keys.ts';
import { createKeyring, type MasterKey } from '../../../db/store/sealing.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { keyring } from '../../support/hooks.ts';
import { type Sealed, sealedOf } from '../../support/scenes/sealed-scene.ts';

type ColumnsOf<Table extends keyof Tables> = Extract<keyof Tables[Table], `sealed${string}`>;
/** Lists every column in `db/store/tables.ts` that has sealed text. */
type SealedColumn = { [Table in keyof Tables]: `${Table}.${ColumnsOf<Table>}` }[keyof Tables];

/** A change that moves a secret of `theirs` to `ours`, or gives `ours` to another owner. */
type Change = (ours: Sealed, theirs: Sealed) => [where: Row, columns: Record<string, unknown>];
type Row = { table: keyof Tables; id: string; key?: string };
type Case = { open(of: Sealed): Promise<string | undefined>; changes: Record<string, Change> };

let database: TestDatabase;
let ours: Sealed;
let theirs: Sealed;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  [ours, theirs] = [await sealedOf(database, 'ours'), await sealedOf(database, 'theirs')];
});

/** Reads the sealed text of the other organization, for the changes that copy it. */
const copied = (table: keyof Tables, column: string, pick: (of: Sealed) => string, key = 'id'): Change => {
  return (to, from) => [
    { table, id: pick(to), key },
    { [column]: database.reader(table).where(key, pick(from)).select(column) },
  ];
};

const credential = (kind: 'github_app' | 'integration' | 'cloud_account', pick: (of: Sealed) => string): Case => {
  const owner = `${kind}_id`;
  const table = `${kind}s` as 'github_apps' | 'integrations' | 'cloud_accounts';
  return {
    open: (of) => of.active[kind](),
    changes: {
      'the ciphertext is copied': copied('credential_versions', 'sealed', (of) => of.versions[kind]),
      'the version is moved': (to, from) => [
        { table: 'credential_versions', id: from.versions[kind] },
        { credential_id: to.credentials[kind] },
      ],
      'the credential is given to another owner': (to, from) => [
        { table: 'credentials', id: from.credentials[kind] },
        { [owner]: pick(to) },
      ],
      'the credential and its organization are changed': (to, from) => [
        { table: 'credentials', id: from.credentials[kind] },
        { [owner]: pick(to), org_id: to.orgId },
      ],
      'only the organization of the credential is changed': (to, from) => [
        { table: 'credentials', id: to.credentials[kind] },
        { org_id: from.orgId },
      ],
      'the owner is given to another organization': (to, from) => [{ table, id: pick(to) }, { org_id: from.orgId }],
    },
  };
};

const flow = (column: 'sealed_manifest_code' | 'sealed_sign_in_code', open: Case['open']): Case => ({
  open,
  changes: {
    'the ciphertext is copied': copied('connect_flows', column, (of) => of.flowId),
    'the flow is given to another organization': (to, from) => [
      { table: 'connect_flows', id: to.flowId },
      { org_id: from.orgId, project_id: from.projectId },
    ],
    'the flow is given to another project': (to, from) => [
      { table: 'connect_flows', id: to.flowId },
      { project_id: from.projectId },
    ],
    'the flow is given to another person': (to) => [
      { table: 'connect_flows', id: to.flowId },
      { created_by: 'user:another' },
    ],
    'the flow gets another GitHub App': (to, from) => [
      { table: 'connect_flows', id: to.flowId },
      { github_app_id: from.githubAppId },
    ],
  },
});

const cases: Record<SealedColumn, Case[]> = {
  'credential_versions.sealed': [
    credential('github_app', (of) => of.githubAppId),
    credential('integration', (of) => of.registryId),
    credential('cloud_account', (of) => of.cloudAccountId),
  ],
  'minted_tokens.sealed': [
    {
      open: (of) => of.mintedToken(),
      changes: {
        'the ciphertext is copied': copied('minted_tokens', 'sealed', (of) => of.mintedTokenId),
        'the token is given to another organization': (to, from) => [
          { table: 'minted_tokens', id: to.mintedTokenId },
          { org_id: from.orgId },
        ],
        'the token is given to another integration': (to, from) => [
          { table: 'minted_tokens', id: to.mintedTokenId },
          { integration_id: from.integrationId },
        ],
        'the token gets another installation': (to, from) => [
          { table: 'minted_tokens', id: to.mintedTokenId },
          { installation_id: from.installationId },
        ],
        'the integration is given to another organization': (to, from) => [
          { table: 'integrations', id: to.integrationId },
          { org_id: from.orgId },
        ],
        'the installation gets another GitHub App': (to, from) => [
          { table: 'installations', id: to.installationId },
          { github_app_id: from.githubAppId },
        ],
      },
    },
  ],
  'connect_flows.sealed_manifest_code': [flow('sealed_manifest_code', (of) => of.manifestCode())],
  'connect_flows.sealed_sign_in_code': [flow('sealed_sign_in_code', (of) => of.signInCode())],
  'flow_states.sealed_verifier': [
    {
      open: (of) => of.verifier(),
      changes: {
        'the ciphertext is copied': copied('flow_states', 'sealed_verifier', (of) => of.stateHash, 'hash'),
        'the state is moved to another flow': (to, from) => [
          { table: 'flow_states', id: to.stateHash, key: 'hash' },
          { flow_id: from.flowId },
        ],
        'the flow is given to another organization': (to, from) => [
          { table: 'connect_flows', id: to.flowId },
          { org_id: from.orgId },
        ],
      },
    },
  ],
  'google_consents.sealed_verifier': [
    {
      open: (of) => of.consentVerifier(),
      changes: {
        'the ciphertext is copied': copied('google_consents', 'sealed_verifier', (of) => of.consentId),
        'the consent is given to another organization': (to, from) => [
          { table: 'google_consents', id: to.consentId },
          { org_id: from.orgId },
        ],
        'the consent gets another cloud account': (to, from) => [
          { table: 'google_consents', id: to.consentId },
          { cloud_account_id: from.cloudAccountId },
        ],
      },
    },
  ],
  // These keys belong to the instance: see the tests below.
  'signing_keys.sealed': [],
  'audit_keys.sealed': [],
};

const every = Object.entries(cases).flatMap(([column, all]) =>
  all.flatMap(({ open, changes }) =>
    Object.entries(changes).map(([name, change]) => ({ column, name, open, change }) as const),
  ),
);

describe('a sealed secret does not open when', () => {
  test.each(every)('$name ($column)', async ({ open, change }) => {
    const [secret, other] = [await open(ours), await open(theirs)];
    expect(secret).toBeTruthy();
    expect(other).toBeTruthy();
    expect(secret).not.toBe(other);

    const [{ table, id, key = 'id' }, columns] = change(ours, theirs);
    await database.write(async (trx) => {
      // One owner has one credential of a kind, so the attacker first removes the one that is there.
      if (Object.values(theirs.credentials).includes(id)) await ours.forgetCredentials(trx);
      if (Object.values(theirs.versions).includes(id)) await ours.forgetVersions(trx);
      expect(
        await trx(table)
          .where(key, id)
          .update(columns as never),
      ).toBe(1);
    });
    await expect(open(ours)).rejects.toMatchObject({ code: 'secret_unreadable' });
  });
});

test('a signing key does not open in the row of another key', async () => {
  const now = Date.now();
  const day = 24 * 3_600_000;
  const key = (kid: string) => ({ kid, alg: 'RS256' as const, publicJwk: {}, privatePem: `key of ${kid}` });
  await database.write((trx) => addFirstSigningKey(trx, keyring, key('first'), now - 40 * day));
  await database.write((trx) => addSuccessor(trx, keyring, key('second'), now - 2 * day));
  const signer = () => signingKeysIn(database.reader).signer(keyring, now);
  expect(await signer()).toMatchObject({ kid: 'second', privatePem: 'key of second' });
  await database.write(async (trx) => {
    const first = trx('signing_keys').where({ kid: 'first' }).select('sealed');
    await trx('signing_keys')
      .where({ kid: 'second' })
      .update({ sealed: first as never });
  });
  await expect(signer()).rejects.toMatchObject({ code: 'secret_unreadable' });
});

test('an audit key does not open in the row of another key', async () => {
  const keys = ['a', 'b'].map((id) => ({ id, key: new Uint8Array(randomBytes(32)) }));
  const [first, second] = keys as [MasterKey, MasterKey];
  await openAuditKeys(database, createKeyring([first]));
  const both = createKeyring([second, first]);
  await openAuditKeys(database, both);
  await database.write(async (trx) => {
    const copied = trx('audit_keys').where({ id: 'a' }).select('sealed');
    await trx('audit_keys')
      .where({ id: 'b' })
      .update({ sealed: copied as never });
  });
  await expect(openAuditKeys(database, both)).rejects.toMatchObject({ code: 'secret_unreadable' });
});

test('every sealed column of the database has a case here', async () => {
  const tables: string[] =
    database.dialect === 'sqlite'
      ? await database.reader('sqlite_master').where({ type: 'table' }).pluck('name')
      : await database.reader('pg_tables').where({ schemaname: 'public' }).pluck('tablename');
  const columns = await Promise.all(
    tables.map(async (table) => Object.keys(await database.reader(table).columnInfo()).map((one) => `${table}.${one}`)),
  );
  const sealed = columns.flat().filter((one) => one.includes('.sealed'));
  expect(sealed.sort()).toEqual(Object.keys(cases).sort());
});
