import { randomBytes } from 'node:crypto';
import nacl from 'tweetnacl';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { githubAppsIn } from '../../../db/github/github-apps.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { checkKeys } from '../../../db/store/key-check.ts';
import { createKeyring, type SealContext, SealError } from '../../../db/store/sealing.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

const key = (id: string) => ({ id, key: new Uint8Array(randomBytes(32)) });
const context: SealContext = {
  orgId: 'org_a',
  owner: ['int_a', 'org_a'],
  credentialId: 'cred_a',
  version: 1,
  field: 'webhook_secret',
};

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

test('reproduces NaCl’s published secretbox vector with the sealing library', () => {
  // https://cr.yp.to/highspeed/naclcrypto-20090310.pdf, section 9 (tests/secretbox.c).
  const firstKey = Buffer.from('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389', 'hex');
  const nonce = Buffer.from('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37', 'hex');
  const box = nacl.secretbox(new Uint8Array(0), nonce, firstKey);
  expect(nacl.secretbox.open(box, nonce, firstKey)).toHaveLength(0);
  const message = Buffer.from(
    'be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705',
    'hex',
  );
  const sealed = Buffer.from(nacl.secretbox(message, nonce, firstKey)).toString('hex');
  expect(sealed.startsWith('f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce')).toBe(true);
});

test('opens a secret only where it was sealed', () => {
  const keyring = createKeyring([key('k1')]);
  const { sealed } = keyring.seal('s3cret', context);
  expect(keyring.open(sealed, context)).toBe('s3cret');
  const others: SealContext[] = [
    { ...context, orgId: 'org_b' },
    { ...context, orgId: null },
    { ...context, owner: ['int_b', 'org_a'] },
    { ...context, owner: ['int_a', 'org_b'] },
    { ...context, owner: ['int_a'] },
    { ...context, credentialId: 'cred_b' },
    { ...context, version: 2 },
    { ...context, field: 'private_key' },
  ];
  for (const other of others) {
    expect(() => keyring.open(sealed, other)).toThrow(SealError);
  }
  expect(() => keyring.open(`${sealed.slice(0, -4)}AAA=`, context)).toThrow(SealError);
  expect(() => keyring.open('', context)).toThrow(SealError);
});

test('seals with the first key, opens with every key, and names a missing one', () => {
  const [old, fresh] = [key('k1'), key('k2')];
  const { sealed } = createKeyring([old]).seal('s3cret', context);
  const both = createKeyring([fresh, old]);
  expect(both.open(sealed, context)).toBe('s3cret');
  expect(both.seal('x', context).keyId).toBe('k2');
  expect(() => createKeyring([fresh]).open(sealed, context)).toThrow(/"k1"/);
});

test('does not open a ciphertext that was moved to another row', async () => {
  const keyring = createKeyring([key('row')]);
  const ids = await database.write(async (trx) => {
    const made = [];
    for (const appId of [1, 2]) {
      const app = await githubAppsIn(trx).upsert({
        orgId: null,
        hostUrl: 'https://github.com',
        apiUrl: 'https://api.github.com',
        appId,
        slug: `app-${appId}`,
        name: 'App',
        clientId: null,
      });
      await githubAppSecrets(trx, keyring).put(app.id, null, 'webhook_secret', `secret-of-${appId}`);
      made.push(app.id);
    }
    return made as [string, string];
  });
  const secrets = githubAppSecrets(database.reader, keyring);
  expect(await secrets.webhookSecrets(ids[1])).toEqual(['secret-of-2']);

  const rows = await database.reader('credential_versions').orderBy('id');
  expect(JSON.stringify(rows)).not.toContain('secret-of');
  await database.write(async (trx) => {
    await trx('credential_versions')
      .where({ id: rows[1]?.id ?? '' })
      .update({ sealed: rows[0]?.sealed ?? null });
  });
  await expect(secrets.webhookSecrets(ids[1])).rejects.toThrow(SealError);
  expect(await secrets.webhookSecrets(ids[0])).toEqual(['secret-of-1']);
});

test('stores a changed secret as a new version, and the old one still verifies', async () => {
  const keyring = createKeyring([key('row2')]);
  const app = await database.write((trx) =>
    githubAppsIn(trx).upsert({
      orgId: null,
      hostUrl: 'https://ghe.example',
      apiUrl: 'https://ghe.example/api/v3',
      appId: 1,
      slug: 'a',
      name: 'A',
      clientId: null,
    }),
  );
  const put = (secret: string) =>
    database.write((trx) => githubAppSecrets(trx, keyring).put(app.id, null, 'webhook_secret', secret));
  expect([await put('one'), await put('one'), await put('two')]).toEqual([true, false, true]);
  expect(await githubAppSecrets(database.reader, keyring).webhookSecrets(app.id)).toEqual(['two', 'one']);
});

test('refuses to start with another key of a known id, and without a key that is still needed', async () => {
  const known = key('boot');
  await checkKeys(database, [known, key('row'), key('row2')], createKeyring);
  await expect(checkKeys(database, [key('boot')], createKeyring)).rejects.toThrow(/"boot" is not the one/);
  await expect(checkKeys(database, [known], createKeyring)).rejects.toThrow(/does not list/);
});
