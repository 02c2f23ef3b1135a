import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addressCanaries, perhapsToldToBrowsers, toldToBrowsers, withoutIds } from '../support/address-canaries.ts';
import { type Canary, filesUnder, historiesOf, type Place, spellingsOf, sweep } from '../support/canaries.ts';
import { type Client as ApiClient, createClient } from '../support/client.ts';
import { connectAll } from '../support/connect-canaries.ts';
import { listBuilds } from '../support/platform.ts';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/product.ts';
import { startDayOfRegistry } from '../support/registry-canaries.ts';

const marker = () => randomBytes(24).toString('hex');
const operatorToken = `operator-${marker()}`;
const clientSecret = `client-${marker()}`;

let scene: Scene;
let registry: Awaited<ReturnType<typeof startDayOfRegistry>>;
let product: AllInOne;
let connection: Connection;
let temporal: Client;
const originalFetch = globalThis.fetch;
/** Every answer of the product's, whoever asked. */
const answers: Place[] = [];
const addresses = addressCanaries();

async function recordingFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await originalFetch(input, init);
  const url = input instanceof Request ? input.url : String(input);
  addresses.observe(url, response);
  if (url.startsWith(product.url) || url.startsWith(product.publicUrl)) {
    const path = withoutIds(new URL(url).pathname);
    const name = `the answer to ${init?.method ?? 'GET'} ${path} (${response.status})`;
    answers.push({ name, content: `${JSON.stringify([...response.headers])}\n${await response.clone().text()}` });
  }
  return response;
}

beforeAll(async () => {
  [scene, registry] = await Promise.all([startScene(), startDayOfRegistry()]);
  const { app } = scene;
  app.clientSecret = clientSecret;
  product = await startAllInOne({
    ...scene,
    env: {
      FAIRLEAD_LOG_LEVEL: 'trace',
      FAIRLEAD_ADMIN_TOKEN: operatorToken,
      FAIRLEAD_ALLOWED_HOSTS: `${scene.github.url} ${registry.url}`,
      FAIRLEAD_WEBHOOK_MODE: 'push',
    },
  });
  globalThis.fetch = recordingFetch;
  connection = await Connection.connect({ address: product.temporalAddress });
  temporal = new Client({ connection });
}, 120_000);
afterAll(async () => {
  globalThis.fetch = originalFetch;
  await connection?.close();
  await product?.remove();
  await scene?.github.close();
  await registry?.close();
});

/** All of it, as it is now. */
async function places(): Promise<Place[]> {
  return [
    { name: 'the output', content: product.output().replace(/sign-in\?code=[\w-]+/g, '') },
    ...answers,
    ...filesUnder(product.dataDir, ['master.key']),
    ...(await historiesOf(temporal)),
  ];
}

const canaries: Canary[] = [];

test('no secret is found in logs, answers, metrics, database files and histories after a day’s work', async () => {
  const { github, app } = scene;
  const code = /sign-in\?code=([\w-]+)/.exec(product.output())?.[1] ?? '';
  const visitor = createClient(product.url, '');
  const { body: session } = await visitor.send<{ token: string; csrf_token: string }>('POST', '/v1/sessions', { code });
  const me = createClient(product.url, session.token);
  const [project] = await me.ask<{ id: string; org_id: string }[]>('GET', '/v1/projects');
  const made = await me.ask<{ token: string }>('POST', '/v1/tokens', {
    org_id: project?.org_id,
    name: 'ci',
    scopes: ['builds:read', 'deliveries:read'],
  });
  await bind(scene, createClient(product.url, operatorToken));
  const reader = createClient(product.url, made.token);

  await succeed(reader);
  const token = [...github.state.tokens.keys()].at(-1) ?? '';
  await fail(reader, { status: 422, body: { message: `Refused ${token}`, token, errors: [{ message: token }] } });
  const echo = { message: `It broke while ${token} was used`, authorization: `Bearer ${token}` };
  github.faults.add({ path: /\/statuses\//, kind: 'status', status: 500, body: echo, times: 2 });
  github.faults.add({ path: /\/access_tokens$/, kind: 'status', status: 500, body: `<b>${token}</b>`, times: 1 });
  for (const one of github.state.tokens.values()) one.revoked = true;
  await succeed(reader);

  const ofConnecting = await connectAll(scene, product, me);
  const ofRegistry = await registry.work(me, project?.id ?? '');
  await errors(reader, code);
  await visitor.send('GET', '/metrics');
  await me.send('DELETE', '/v1/sessions', undefined);

  const keyFile = readFileSync(path.join(product.dataDir, 'master.key'), 'utf8').trim();
  canaries.push(
    { name: 'the webhook secret', value: app.webhookSecret },
    { name: 'the client secret', value: clientSecret },
    { name: 'the operator’s token', value: operatorToken },
    { name: 'the master key', value: keyFile.split(':').at(-1) ?? '' },
    { name: 'the master key’s bytes', value: Buffer.from(keyFile.split(':').at(-1) ?? '', 'base64') },
    { name: 'the session', value: session.token },
    { name: 'the sign-in code', value: code },
    { name: 'the API token', value: made.token },
    ...[...github.state.tokens.keys()].map((value) => ({ name: 'an installation token', value })),
    ...app.privateKey
      .split('\n')
      .filter((line) => /^[\w+/=]{60,}$/.test(line))
      .map((value) => ({ name: 'a line of the private key', value })),
    ...ofConnecting,
    ...ofRegistry,
    ...addresses.list(),
  );
  expect(canaries.length).toBeGreaterThan(60);
  expect(canaries.filter(({ value }) => value.length < 20)).toEqual([]);
  expect(github.state.tokens.size).toBeGreaterThan(1);
  // The faults were met.
  const met = github.ledger.filter(({ status }) => status === 500 || status === 422).map((entry) => entry.path);
  for (const path of [/dispatches$/, /statuses/, /access_tokens$/])
    expect(met).toContainEqual(expect.stringMatching(path));

  // A secret that is made here is told once, to whoever asked for it.
  const told = [
    'the session in the answer to POST /v1/sessions (201)',
    'the API token in the answer to POST /v1/tokens (201)',
    ...toldToBrowsers,
  ];
  const found = [...new Set(sweep(canaries, await places()))];
  expect(found.filter((one) => ![...told, ...perhapsToldToBrowsers].includes(one))).toEqual([]);
  expect(found).toEqual(expect.arrayContaining(told));
}, 240_000);

test('the sweep finds a secret in each of these places, in each spelling', async () => {
  const [inLog, inRow, inMemo] = [marker(), marker(), marker()];
  const operator = createClient(product.url, operatorToken);
  await operator.send('GET', '/v1/me', undefined, { 'x-request-id': inLog });
  const [project] = await operator.ask<{ id: string }[]>('GET', '/v1/projects');
  await operator.ask('POST', `/v1/projects/${project?.id}/apps`, { name: inRow });
  await temporal.workflow.start('leak', { workflowId: 'leak', taskQueue: 'nobody', memo: { note: inMemo } });

  const planted = [
    { name: 'log', value: inLog },
    { name: 'row', value: inRow },
    { name: 'memo', value: inMemo },
  ];
  await expect
    .poll(async () => sweep(planted, await places()), { timeout: 15_000 })
    .toEqual(
      expect.arrayContaining([
        'log in the output',
        'log in the answer to GET /v1/me (200)',
        'memo in the history of leak',
      ]),
    );
  const found = sweep(planted, await places());
  expect(found.filter((text) => /^row in fairlead\.db/.test(text))).not.toEqual([]);
  expect(found.filter((text) => /^memo in temporal\.db/.test(text))).not.toEqual([]);

  const secret = `a/+"${marker()}`;
  for (const spelling of spellingsOf(secret)) {
    const canary = [{ name: 'it', value: secret }];
    expect(sweep(canary, [{ name: 'there', content: `…${spelling}…` }])).toEqual(['it in there']);
  }
  for (const ahead of ['', 'x', 'xy']) {
    const content = Buffer.from(`${ahead}${secret} and more`).toString('base64');
    expect(sweep([{ name: 'it', value: secret }], [{ name: 'there', content }])).toEqual(['it in there']);
  }
}, 60_000);

async function succeed(reader: ApiClient): Promise<void> {
  const { github, app, installation } = scene;
  const before = github.state.runs.size;
  await scene.push();
  await expect.poll(() => github.state.runs.size, { timeout: 40_000 }).toBe(before + 1);
  const run = [...github.state.runs.values()].at(-1);
  if (!run) throw new Error('The stand-in has no run');
  await expect.poll(async () => (await listBuilds(reader))[0]?.status, { timeout: 20_000 }).toBe('running');
  const payload = github.progressRun(run, { status: 'completed', conclusion: 'success' });
  await github.sendWebhook({ app, event: 'workflow_run', payload, installation });
  await expect.poll(async () => (await listBuilds(reader))[0]?.status, { timeout: 20_000 }).toBe('succeeded');
}

async function fail(reader: ApiClient, answer: { status: number; body: unknown }): Promise<void> {
  scene.github.faults.add({ method: 'POST', path: /\/dispatches$/, kind: 'status', times: 1, ...answer });
  await scene.push();
  await expect.poll(async () => (await listBuilds(reader))[0]?.status, { timeout: 20_000 }).toBe('failed');
  const [build] = await listBuilds(reader);
  await reader.ask('GET', `/v1/builds/${build?.id}`);
  await reader.ask('GET', `/v1/builds/${build?.id}/events`);
}

/** What goes wrong at our own door. */
async function errors(reader: ApiClient, usedCode: string): Promise<void> {
  const { github, app, repository } = scene;
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  const headers = { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` };
  const refused = await github.sendWebhook({ app, event: 'push', payload, headers });
  expect(refused.status).toBe(401);
  const visitor = createClient(product.url, '');
  const statuses = [
    (await visitor.send('POST', '/v1/sessions', { code: usedCode })).status,
    (await visitor.send('GET', `/sign-in?code=${usedCode.slice(0, -1)}`)).status,
    (await reader.send('POST', '/v1/orgs', { name: 'x' })).status,
    (await reader.send('GET', '/v1/builds/bld_00000000000000000000000000')).status,
    (await reader.send('POST', '/v1/projects', { nonsense: true })).status,
    (await reader.send('GET', '/v1/nothing')).status,
    (await createClient(product.url, `${operatorToken}x`).send('GET', '/v1/me')).status,
    (await createClient(product.url, operatorToken).send('POST', '/v1/projects', { nonsense: true })).status,
  ];
  expect(statuses.filter((status) => status >= 500)).toEqual([]);
  await reader.ask('GET', '/v1/deliveries');
}
