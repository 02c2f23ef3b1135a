import { createPrivateKey } from 'node:crypto';
import { createRemoteJWKSet, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createOidcIssuer } from '../../../broker/clouds/oidc-issuer.ts';
import { rotateSigningKeys } from '../../../broker/clouds/signing-keys.ts';
import type { Database } from '../../../db/store/connection.ts';
import { checkKeys } from '../../../db/store/key-check.ts';
import { createKeyring } from '../../../db/store/sealing.ts';
import { publicUrl, startApi, type TestApi } from '../../support/api.ts';
import { spellingsOf } from '../../support/canaries/canaries.ts';
import { connectAgain } from '../../support/database.ts';
import { keyring } from '../../support/hooks.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

let api: TestApi;
let others: Database[];
beforeEach(async () => {
  api = await startApi();
  others = [];
  // Timers run as usual: only the clock is moved.
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(others.map((other) => other.close()));
  await api.stop();
});

function anotherProcess(): Database {
  const other = connectAgain(api.database.source);
  others.push(other);
  return other;
}
const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);
const rotate = () => rotateSigningKeys(api.database, keyring);
const issuer = (database: Database = api.database) => createOidcIssuer({ database, keyring, publicUrl });
const newToken = (database?: Database) =>
  issuer(database).token({
    orgId: 'org_0000000000000000000000000a',
    integrationId: 'int_0000000000000000000000000a',
    cloudAccountId: 'ca_0000000000000000000000000a',
    audience: 'sts.amazonaws.com',
  });
const kidOf = (token: string) => decodeProtectedHeader(token).kid;
const publishedKids = async () => (await issuer().keys()).map(({ kid }) => kid);
const rows = () => api.database.reader('signing_keys').orderBy('published_at');
const newKeySet = () => createRemoteJWKSet(new URL(`${api.url}/.well-known/jwks.json`));
const verify = (token: string, keys = newKeySet()) => jwtVerify(token, keys, { issuer: publicUrl });
const everyCell = async () => {
  const { reader, dialect } = api.database;
  const tables =
    dialect === 'postgres'
      ? await reader('pg_tables').where({ schemaname: 'public' }).select({ name: 'tablename' })
      : await reader('sqlite_master').where({ type: 'table' }).select('name');
  return JSON.stringify(await Promise.all(tables.map(({ name }) => reader(name))));
};
const audited = async () =>
  (await api.database.reader('audit_events').whereLike('action', 'signing_key.%').orderBy('id')).map(
    ({ chain, org_id, actor, action, target }) => ({ chain, org_id, actor, action, target }),
  );

test('publishes the next key a day before it signs, and verifies with the old one while its tokens are valid', async () => {
  const first = kidOf(await newToken());
  await rotate();
  pass(29 * day - 1);
  await rotate();
  expect(await publishedKids()).toEqual([first]);

  pass(1);
  await rotate();
  const [, second] = await publishedKids();
  expect(await publishedKids()).toEqual([first, second]);
  expect(second).not.toBe(first);
  // From now on a cloud may cache what it reads for a day.
  const keptByCloud = newKeySet();
  await verify(await newToken(), keptByCloud);

  pass(day - 1);
  await rotate();
  const last = await newToken();
  expect(kidOf(last)).toBe(first);
  pass(1);
  const fresh = await newToken();
  expect(kidOf(fresh)).toBe(second);
  await verify(fresh, keptByCloud);

  pass(10 * minute - 2_000);
  await rotate();
  await verify(last);
  pass(3_000);
  await expect(verify(last)).rejects.toThrow(errors.JWTExpired);

  pass(day);
  await rotate();
  expect(await publishedKids()).toEqual([first, second]);
  pass(2 * hour);
  await rotate();
  expect(await publishedKids()).toEqual([second]);
  await verify(await newToken());
});

test('destroys the private key after its last use, and records each step in the audit log of the instance', async () => {
  await newToken();
  pass(29 * day);
  await rotate();
  pass(day + hour);
  await rotate();
  expect((await rows()).map(({ sealed }) => sealed !== null)).toEqual([true, true]);
  pass(1);
  await rotate();
  expect((await rows()).map(({ sealed, key_id }) => [sealed !== null, key_id])).toEqual([
    [false, null],
    [true, 'k1'],
  ]);
  pass(day + 2 * hour);
  await rotate();
  await rotate();

  const [first, second] = await rows();
  const ofInstance = { chain: 'instance', org_id: null, actor: 'system' };
  expect(await audited()).toEqual([
    { ...ofInstance, action: 'signing_key.published', target: first?.id },
    { ...ofInstance, action: 'signing_key.published', target: second?.id },
    { ...ofInstance, action: 'signing_key.retired', target: first?.id },
    { ...ofInstance, action: 'signing_key.removed', target: first?.id },
  ]);
  expect(first?.removed_at).toBe(Date.now());
});

test('signs with the same key until a rotation, and then replaces it as usual', async () => {
  const first = kidOf(await newToken());
  pass(200 * day);
  expect(kidOf(await newToken())).toBe(first);
  await rotate();
  expect(kidOf(await newToken())).toBe(first);
  expect(await publishedKids()).toHaveLength(2);
  pass(day);
  expect(kidOf(await newToken())).not.toBe(first);
});

test('creates no key on rotation if none was ever requested', async () => {
  await rotate();
  pass(60 * day);
  await rotate();
  expect(await rows()).toEqual([]);
});

test('signs with the first key after the clock is set back to before its creation', async () => {
  const first = kidOf(await newToken());
  pass(-day);
  expect(kidOf(await newToken())).toBe(first);
  expect(await publishedKids()).toEqual([first]);
});

test('creates one key and one successor for concurrent requests in several processes', async () => {
  const places = [api.database, anotherProcess(), anotherProcess()];
  const tokens = await Promise.all(places.flatMap((place) => [newToken(place), newToken(place)]));
  expect(new Set(tokens.map(kidOf)).size).toBe(1);
  expect(await rows()).toHaveLength(1);

  pass(29 * day);
  await Promise.all(places.flatMap((place) => [1, 2].map(() => rotateSigningKeys(place, keyring))));
  expect(await rows()).toHaveLength(2);
  expect((await audited()).map(({ action }) => action)).toEqual(['signing_key.published', 'signing_key.published']);
});

test('signs with the existing key in a process that starts later', async () => {
  const token = await newToken();
  const later = await newToken(anotherProcess());
  expect(kidOf(later)).toBe(kidOf(token));
  await verify(later);
});

test('stores no private key or token in plain text, and a seal opens only in its own row', async () => {
  const token = await newToken();
  pass(29 * day);
  await rotate();
  pass(day);
  const made = await rows();
  const openOf = ({ id, kid, alg, sealed }: { id: string; kid: string; alg: string; sealed: string | null }) => {
    const record = { orgId: null, owner: [id, kid, alg] as const, credentialId: id, version: 1 };
    return keyring.open(sealed ?? '', { ...record, field: 'signing_key' });
  };
  const pems = made.map(openOf);
  expect(pems.every((pem) => pem.startsWith('-----BEGIN PRIVATE KEY-----'))).toBe(true);
  expect(() => openOf({ ...made[0], id: made[1]?.id ?? '' } as (typeof made)[0])).toThrow(/changed or moved/);
  expect(() => openOf({ ...made[0], kid: made[1]?.kid ?? '' } as (typeof made)[0])).toThrow(/changed or moved/);

  const numbers = pems.map((pem) => createPrivateKey(pem).export({ format: 'jwk' }));
  const secrets = [
    token,
    ...pems.flatMap((pem) => pem.split('\n').filter((line) => /^[\w+/]{64}$/.test(line))),
    ...numbers.flatMap(({ d, p, q }) => [String(d), String(p), String(q)]),
  ];
  expect(secrets.length).toBeGreaterThan(40);
  const cells = await everyCell();
  expect(cells).toContain(made[0]?.kid);
  // In every encoding. The public half may be stored.
  const found = secrets.filter((secret) => spellingsOf(secret).some((spelling) => cells.includes(String(spelling))));
  expect(found).toEqual([]);
  expect(JSON.stringify(made.map(({ public_jwk }) => JSON.parse(public_jwk)))).not.toMatch(/"(d|p|q|dp|dq|qi)":/);
});

test('requires the master key that seals a signing key', async () => {
  await newToken();
  const fresh = { id: 'k2', key: new Uint8Array(32) };
  await expect(checkKeys(api.database, [fresh], createKeyring)).rejects.toThrow(/master key "k1", which/);
});
