import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { deliveryRoutes } from '../../../api/deliveries/deliveries.ts';
import { createIntake } from '../../../api/deliveries/intake.ts';
import { createHookKeys } from '../../../api/deliveries/webhook-keys.ts';
import { webhookRoutes } from '../../../api/deliveries/webhooks.ts';
import { createAuthenticate } from '../../../api/http/authenticate.ts';
import { mount } from '../../../api/http/mount.ts';
import { requestFrame } from '../../../api/http/request-frame.ts';
import { allTokens } from '../../../db/people/tokens.ts';
import { createPurge } from '../../../db/purge.ts';
import { createRelay } from '../../../worker/relay/relay.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { addGithubApp, hookHeaders, keyring, sign, silent, unlimited } from '../../support/hooks.ts';
import { world } from '../../support/scenes/world.ts';

const appId = 17;
const secret = 'a webhook secret of the test';
const adminToken = 'operator-token-of-this-very-test';

let database: TestDatabase;
let server: Server;
let url: string;
let githubAppId: string;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  stops.push(() => database.drop());
  githubAppId = (await addGithubApp(database, { appId, secret })).id;
  const registry = new Registry();
  const shared = { database, logger: silent, registry };
  const intake = createIntake({ ...shared, hookKeys: createHookKeys({ database, keyring }) });
  const relay = createRelay({ ...shared, temporal: createFakeTemporal().starter, patienceMs: 0 });
  await relay.start();
  stops.push(relay.stop);

  const app = new Koa();
  app.use(requestFrame({ logger: silent, registry, links: { publicUrl: 'http://localhost' } }));
  const publicUrl = 'http://127.0.0.1';
  const authenticate = createAuthenticate({ database, adminToken, publicUrl, limiter: unlimited });
  const routes = [...webhookRoutes({ intake, limiter: unlimited }), ...deliveryRoutes({ database })];
  const links = { publicUrl, namespace: 'default' };
  for (const middleware of mount(routes, { database, authenticate, links, limiter: unlimited })) {
    app.use(middleware);
  }
  server = createServer(app.callback()).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  for (const stop of stops.reverse()) await stop();
});

/** Creates an organization with a pipeline that builds pushes to its repository. */
async function tenant() {
  const mine = await world(database, { githubAppId });
  const pipelineId = await mine.newPipeline();
  const token = async (projectId: string | null) => {
    const granted = { scopes: ['deliveries:read' as const], createdBy: 'system', expiresAt: null, name: 'test' };
    const { secret } = await database.write((trx) =>
      allTokens(trx).insert({ orgId: mine.orgId, projectId, ...granted }),
    );
    return secret;
  };
  return { ...mine, pipelineId, token };
}

async function push(of: { installation: number; repository: number }, path = ''): Promise<string> {
  const body = JSON.stringify({
    ref: 'refs/heads/main',
    after: 'b'.repeat(40),
    repository: { id: of.repository },
    installation: { id: of.installation },
    marker: randomUUID(),
  });
  const headers = hookHeaders({ appId, event: 'push', signature: sign(secret, body) });
  const response = await fetch(`${url}/v1/webhooks/github${path}`, { method: 'POST', body, headers });
  expect(response.status).toBe(202);
  const { delivery_id: id } = (await response.json()) as { delivery_id: string };
  const status = async () => (await database.reader('deliveries').where({ id }).first())?.status;
  await expect.poll(status, { timeout: 5_000 }).not.toBe('received');
  return id;
}

// biome-ignore lint/suspicious/noExplicitAny: what comes is what the test is about
type Answer = { status: number; link: string | null; body: any };

async function get(path: string, token: string): Promise<Answer> {
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, link: response.headers.get('link'), body: await response.json() };
}

test('shows a delivery with its decisions, their reasons and the build, to its organization and its project', async () => {
  const mine = await tenant();
  const id = await push(mine);
  for (const token of [await mine.token(null), await mine.token(mine.projectId), adminToken]) {
    const { status, body } = await get(`/v1/deliveries/${id}`, token);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id,
      event: 'push',
      status: 'processed',
      reason: 'builds_created',
      installation_id: mine.installation,
      repository_id: mine.repository,
      decisions: [
        { pipeline_id: mine.pipelineId, outcome: 'build', reason: 'matched', build_id: expect.stringMatching(/^bld_/) },
      ],
    });
    expect(body.received_at).toBeLessThan(Date.now() / 1000 + 1);
    expect(body).not.toHaveProperty('content_key');
  }
});

test('shows that the body was deleted because of its age, and when', async () => {
  const id = await push(await tenant());
  expect((await get(`/v1/deliveries/${id}`, adminToken)).body).toMatchObject({ body_removed_at: null });
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 15 * 24 * 3_600_000 });
  const removedAt = Math.floor(Date.now() / 1000);
  await createPurge(database)().finally(() => vi.useRealTimers());
  const { body } = await get(`/v1/deliveries/${id}`, adminToken);
  expect(body.status).toBe('processed');
  expect(body.body_removed_at).toBeGreaterThanOrEqual(removedAt);
  expect(body.size).toBeGreaterThan(0);
});

test('hides it from another organization and another project', async () => {
  const [mine, other] = [await tenant(), await tenant()];
  const id = await push(mine);
  const sibling = await mine.token(other.projectId);
  for (const token of [await other.token(null), await other.token(other.projectId), sibling]) {
    expect((await get(`/v1/deliveries/${id}`, token)).status).toBe(404);
    expect((await get('/v1/deliveries', token)).body).toEqual([]);
  }
  expect((await get(`/v1/deliveries/${id}`, 'flt_nobody')).status).toBe(401);
});

test('shows deliveries without an organization to operators only', async () => {
  const mine = await tenant();
  const id = await push({ installation: 1, repository: 2 });
  expect((await get(`/v1/deliveries/${id}`, await mine.token(null))).status).toBe(404);
  expect((await get(`/v1/deliveries/${id}`, adminToken)).body).toMatchObject({
    reason: 'installation_unknown',
    decisions: [],
  });
});

test('pages the list, newest first, and filters it by status and event', async () => {
  const mine = await tenant();
  const token = await mine.token(null);
  const ids = [await push(mine), await push(mine, `/${githubAppId}`), await push(mine)].reverse();
  const first = await get('/v1/deliveries?limit=2', token);
  expect(first.body.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 2));
  const next = /<([^>]+)>; rel="next"/.exec(first.link ?? '')?.[1] ?? '';
  expect((await get(next, token)).body.map(({ id }: { id: string }) => id)).toEqual(ids.slice(2));
  expect((await get('/v1/deliveries?status=processed&event=push', token)).body).toHaveLength(3);
  expect((await get('/v1/deliveries?status=ignored', token)).body).toEqual([]);
  expect((await get('/v1/deliveries?event=ping', token)).body).toEqual([]);
  expect((await get('/v1/deliveries?status=odd', token)).status).toBe(400);
});

test('allows no other origin and no other method at the webhook addresses', async () => {
  const headers = { origin: 'https://evil.test', 'access-control-request-method': 'POST' };
  const preflight = await fetch(`${url}/v1/webhooks/github`, { method: 'OPTIONS', headers });
  expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
  const refused = await fetch(`${url}/v1/webhooks/github`, { method: 'POST', headers, body: '{}' });
  expect(refused.status).toBe(401);
  expect(refused.headers.get('access-control-allow-origin')).toBeNull();
  expect((await fetch(`${url}/v1/webhooks/github`)).status).toBe(405);
});
