import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRateLimiter } from '../../../api/http/rate-limit.ts';
import { publicUrl, startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addOrg, addUser } from '../../support/scenes/tenants.ts';

let database: TestDatabase;
let api: TestApi;
let onHttp: TestApi;
let orgId: string;

const failuresPerMinute = 3;
const limited = () => createRateLimiter({ callerPerMinute: 0, publicPerMinute: 0, failuresPerMinute }, new Registry());

beforeAll(async () => {
  database = await openTestDatabase();
  api = await startApi({ database, limiter: limited() });
  const links = { publicUrl: 'http://localhost:8080', temporalUiUrl: 'http://127.0.0.1:8233', namespace: 'default' };
  onHttp = await startApi({ database, limiter: limited(), links });
  orgId = await addOrg(database);
});
afterAll(async () => {
  await onHttp?.close();
  await api?.stop();
});

const name = '__Host-fairlead_session';
const me = (cookie: string, at = api) => fetch(`${at.url}/v1/me`, { headers: { cookie } });
const newSession = async () => (await addUser(database, orgId, 'owner')).session;

test('accepts a session cookie on https only with the prefix, and on plain http only without it', async () => {
  const session = await newSession();
  expect((await me(`${name}=${session}`)).status).toBe(200);
  expect((await me(`fairlead_session=${session}`)).status).toBe(401);
  // A cookie that a sibling host planted does not sign a browser in.
  expect((await me(`a${name}=${session}; __host-fairlead_session=${session}`)).status).toBe(401);
  expect((await me(`fairlead_session=${session}`, onHttp)).status).toBe(200);
  expect((await me(`${name}=${session}`, onHttp)).status).toBe(401);
});

test.each([
  ['before', (session: string) => `fairlead_session=x; ${name}=planted; ${name}=${session}`],
  ['after', (session: string) => `${name}=${session}; ${name}=planted; ${name}=; fairlead_session=x`],
  ['around', (session: string) => `${Array(30).fill(`${name}=x`).join('; ')}; ${name}=${session}; ${name}=y`],
])('accepts a session with planted cookies %s it', async (_, header) => {
  const session = await newSession();
  // This is far more than the number of failures that an address may have.
  for (let sent = 0; sent < failuresPerMinute * 3; sent += 1) {
    expect((await me(header(session))).status).toBe(200);
  }
  const { csrf_token: token } = (await (await me(header(session))).json()) as { csrf_token: string };
  const post = (csrf: string) =>
    fetch(`${api.url}/v1/tokens`, {
      method: 'POST',
      headers: {
        cookie: header(session),
        origin: publicUrl,
        'x-csrf-token': csrf,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ org_id: orgId, name: 'by cookie', scopes: ['projects:read'] }),
    });
  expect((await post('wrong')).status).toBe(403);
  expect((await post(token)).status).toBe(201);
});

test('accepts a known session beside a planted cookie at an address with too many failures', async () => {
  const session = await newSession();
  expect((await me(`${name}=${session}`)).status).toBe(200);
  for (let sent = 0; sent <= failuresPerMinute; sent += 1) await me(`${name}=guess${sent}`);
  expect((await me(`${name}=guess`)).status).toBe(429);
  expect((await me(`${name}=${session}; ${name}=planted`)).status).toBe(200);
});

test('uses the last of two valid session cookies, which has the shorter path', async () => {
  const [planted, own] = [await addUser(database, orgId, 'viewer'), await addUser(database, orgId, 'owner')];
  const cookie = `fairlead_session=${planted.session}; fairlead_session=${own.session}`;
  expect(await (await me(cookie, onHttp)).json()).toMatchObject({ id: `user:${own.id}` });
});
