import { expect, test } from 'vitest';
import {
  addClientSecret,
  addKey,
  deleteClientSecret,
  deleteKey,
  fingerprintOf,
  keysOf,
} from '../../../stand-ins/github/credentials.ts';
import { appJwt, ask } from './ask.ts';
import { town } from './town.ts';

test('accepts any key of an App until it is deleted, and records the used key', async () => {
  const { github, app } = await town();
  const [first, second] = [app.privateKey, addKey(app)];
  const sign = (key: string) => ask(github.apiUrl, 'GET /app', { authorization: appJwt(app, { key }) });
  expect([(await sign(first)).status, (await sign(second)).status]).toEqual([200, 200]);
  deleteKey(app, first);
  expect([(await sign(first)).status, (await sign(second)).status]).toEqual([401, 200]);
  expect(github.requests({ path: /^\/app$/ }).map(({ credential, status }) => [credential, status])).toEqual([
    [`key ${fingerprintOf(first)}`, 200],
    [`key ${fingerprintOf(second)}`, 200],
    [`key ${fingerprintOf(first)}`, 401],
    [`key ${fingerprintOf(second)}`, 200],
  ]);
  expect(() => deleteKey(app, second)).toThrow('only private key');
  expect(() => deleteKey(app, first)).toThrow('Not Found');
});

test('allows 25 keys at most', async () => {
  const { app } = await town();
  app.otherPublicKeys = Array(24).fill(app.publicKey);
  expect(() => addKey(app)).toThrow('at most');
});

test('accepts a client secret until it is deleted', async () => {
  const { github, app } = await town();
  const [first, second] = [app.clientSecret, addClientSecret(app)];
  const check = async (secret: string) => {
    const authorization = `Basic ${Buffer.from(`${app.clientId}:${secret}`).toString('base64')}`;
    const body = { access_token: 'ghu_that_nobody_has' };
    return (await ask(github.apiUrl, `POST /applications/${app.clientId}/token`, { authorization, body })).status;
  };
  expect([await check(first), await check(second), await check('wrong')]).toEqual([404, 404, 401]);
  deleteClientSecret(app, first);
  expect([await check(first), await check(second)]).toEqual([401, 404]);
  expect(github.ledger.at(-2)).toMatchObject({ credential: `client_secret ${first.slice(-8)}`, status: 401 });
  expect(() => deleteClientSecret(app, second)).toThrow('only client secret');
});

test('lets an owner create and delete both in the App’s settings', async () => {
  const { github, app, browser } = await town();
  const path = `${github.url}/organizations/acme/settings/apps/${app.slug}`;
  const page = await browser.visit(path);
  const key = await browser.press(page, 'Generate a private key');
  expect(keysOf(app).map(fingerprintOf)).toContain(fingerprintOf(key.text));
  const secret = /<code>(\w{40})<\/code>/.exec((await browser.press(page, 'Generate a new client secret')).text)?.[1];
  expect(app.otherClientSecrets).toEqual([secret]);
  expect((await browser.visit(path)).text).toContain(fingerprintOf(key.text));
  const remove = (what: string, body: Record<string, string>) =>
    fetch(`${path}/${what}/delete`, { method: 'POST', body: new URLSearchParams(body), redirect: 'manual' });
  await remove('keys', { fingerprint: fingerprintOf(app.privateKey) });
  await remove('client-secrets', { last_eight: app.clientSecret.slice(-8) });
  expect(keysOf(app).map(fingerprintOf)).toEqual([fingerprintOf(key.text)]);
  expect(app.clientSecret).toBe(secret);
});
