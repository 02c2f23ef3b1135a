import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { csrfTokenOf } from '../../api/authenticate.ts';
import { escapeHtml } from '../../api/html-page.ts';
import { connect, type Database } from '../../db/connection.ts';
import { roleScopes } from '../../domain/scopes.ts';
import { addressCanaries, perhapsToldToBrowsers, toldToBrowsers, withoutIds } from '../support/canaries/addresses.ts';
import { startDayOfClouds } from '../support/canaries/clouds.ts';
import { connectAll, secretsOf } from '../support/canaries/connect.ts';
import { type Day, named, type Outcome } from '../support/canaries/day.ts';
import { exchangeAtGitHub, runningBuild } from '../support/canaries/exchange.ts';
import { keysOfInstance } from '../support/canaries/issuer.ts';
import { keyCanaries } from '../support/canaries/keys.ts';
import { type PlantedInTemporal, plantInTemporal } from '../support/canaries/planted-step.ts';
import { createReading } from '../support/canaries/reading.ts';
import { startDayOfRegistry } from '../support/canaries/registry.ts';
import { rotateAll } from '../support/canaries/rotation.ts';
import { makeToken, signInWithBrowser } from '../support/canaries/sessions.ts';
import { type Canary, filesUnder, historiesOf, type Place, sweep } from '../support/canaries.ts';
import { type Client as ApiClient, createClient } from '../support/client.ts';
import { listBuilds } from '../support/platform.ts';
import { runProgram } from '../support/processes.ts';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/product.ts';

const marker = () => randomBytes(24).toString('hex');
const operatorToken = `operator-${marker()}`;
const clientSecret = `client-${marker()}`;
/** https, since clouds take no other issuer. This process alone knows where it is. */
const publicUrl = 'https://fairlead.example';

let scene: Scene;
let registry: Awaited<ReturnType<typeof startDayOfRegistry>>;
let clouds: Awaited<ReturnType<typeof startDayOfClouds>>;
let product: AllInOne;
let database: Database;
let connection: Connection;
let temporal: Client;
let reading: ReturnType<typeof createReading>;
const temporary = temporaryFolder();
const originalFetch = globalThis.fetch;
/** Every answer of the product's, whoever asked. */
const answers: Place[] = [];
const addresses = addressCanaries();
/** Whose token it is. */
const callers = new Map([[operatorToken, 'the operator']]);

/** What stands before the product passes the name on by which it was asked. */
async function throughProxy(url: string, init?: RequestInit): Promise<Response> {
  const headers = new Headers(init?.headers);
  headers.set('x-forwarded-host', new URL(publicUrl).host);
  return originalFetch(url.replace(publicUrl, product.url), { ...init, headers });
}

async function recordingFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const url = input instanceof Request ? input.url : String(input);
  const isOurs = url.startsWith(product.url) || url.startsWith(publicUrl);
  const response = await (url.startsWith(publicUrl) ? throughProxy(url, init) : originalFetch(input, init));
  addresses.observe(url, response);
  if (isOurs) {
    const { pathname } = new URL(url);
    const method = init?.method ?? 'GET';
    const token = new Headers(init?.headers).get('authorization')?.replace('Bearer ', '') ?? '';
    reading?.note(method, pathname, callers.get(token) ?? 'somebody', response.status);
    const name = `the answer to ${method} ${withoutIds(pathname)} (${response.status})`;
    answers.push({ name, content: `${JSON.stringify([...response.headers])}\n${await response.clone().text()}` });
  }
  return response;
}

beforeAll(async () => {
  [scene, registry, clouds] = await Promise.all([startScene(), startDayOfRegistry(), startDayOfClouds(publicUrl)]);
  const { app } = scene;
  app.clientSecret = clientSecret;
  product = await startAllInOne({
    ...scene,
    env: {
      ...clouds.env,
      FAIRLEAD_LOG_LEVEL: 'trace',
      FAIRLEAD_ADMIN_TOKEN: operatorToken,
      FAIRLEAD_ALLOWED_HOSTS: `${scene.github.url} ${registry.url} ${clouds.allowedHosts}`,
      FAIRLEAD_PUBLIC_URL: publicUrl,
      FAIRLEAD_TRUST_PROXY: 'true',
      FAIRLEAD_WEBHOOK_MODE: 'push',
      TMPDIR: temporary,
    },
  });
  product = { ...product, publicUrl };
  globalThis.fetch = recordingFetch;
  connection = await Connection.connect({ address: product.temporalAddress });
  temporal = new Client({ connection });
  database = connect({ sqliteFile: path.join(product.dataDir, 'fairlead.db') });
  const document = await fetch(`${product.url}/openapi.json`);
  reading = createReading((await document.json()) as Parameters<typeof createReading>[0], () =>
    answers.map(({ content }) => content).join('\n'),
  );
}, 120_000);
afterAll(async () => {
  globalThis.fetch = originalFetch;
  await database?.close();
  await connection?.close();
  await product?.remove();
  await scene?.github.close();
  await registry?.close();
  await clouds?.close();
  rmSync(temporary, { recursive: true, force: true });
});

/** All of it, as it is now. */
async function places(): Promise<Place[]> {
  return [
    { name: 'the output', content: product.output().replace(/sign-in\?code=[\w-]+/g, '') },
    ...answers,
    ...filesUnder(product.dataDir, ['master.key']),
    ...filesUnder(temporary).map(({ name, content }) => ({ name: `the temporary file ${name}`, content })),
    ...(await historiesOf(temporal)),
  ];
}

test('no secret is found in logs, answers, metrics, database files and histories after a day’s work', async () => {
  const { github, app } = scene;
  const code = /sign-in\?code=([\w-]+)/.exec(product.output())?.[1] ?? '';
  const visitor = createClient(product.url, '');
  const { body: session } = await visitor.send<{ token: string; csrf_token: string }>('POST', '/v1/sessions', { code });
  callers.set(session.token, 'the owner');
  const me = createClient(product.url, session.token);
  const [project] = await me.ask<{ id: string; org_id: string }[]>('GET', '/v1/projects');
  const day: Day = { scene, product, me, orgId: project?.org_id ?? '', projectId: project?.id ?? '' };
  const operator = createClient(product.url, operatorToken);
  await bind(scene, operator);
  const ci = await makeToken(day, 'ci', ['builds:read', 'deliveries:read']);
  const all = await makeToken(day, 'for all', [...roleScopes.owner]);
  callers.set(all.outcome.canaries[0]?.value ?? '', 'a token');

  await succeed(day);
  const token = [...github.state.tokens.keys()].at(-1) ?? '';
  await fail(ci.client, { status: 422, body: { message: `Refused ${token}`, token, errors: [{ message: token }] } });
  const echo = { message: `It broke while ${token} was used`, authorization: `Bearer ${token}` };
  github.faults.add({ path: /\/statuses\//, kind: 'status', status: 500, body: echo, times: 2 });
  github.faults.add({ path: /\/access_tokens$/, kind: 'status', status: 500, body: `<b>${token}</b>`, times: 1 });
  for (const one of github.state.tokens.values()) one.revoked = true;
  await succeed(day);

  const outcomes: Outcome[] = [ci.outcome, all.outcome];
  const [ofClouds, ofConnecting, ...others] = await Promise.all([
    clouds.work(day),
    connectAndRotate(day),
    registry.work(day),
    signInWithBrowser(day, database),
    exchangeAtGitHub(day),
  ]);
  outcomes.push(ofClouds, ofConnecting, ...others);
  await errors(ci.client, code);
  const queries = { '/v1/audit/verify': `?org_id=${day.orgId}` };
  for (const client of [me, all.client, operator]) await reading.readAll(client, queries);
  await ofClouds.end();
  await ci.revoke();
  await all.revoke();
  const ofInstance = await keysOfInstance(day, database);
  await me.send('DELETE', '/v1/sessions', undefined);

  // Every GET was read by all who may.
  expect(reading.missed(['somebody', 'the owner', 'a token', 'the operator'])).toEqual([]);
  expect(reading.missed(['the owner']).filter(reading.isGuarded)).toEqual([]);
  expect(reading.missed(['the operator']).filter(reading.isGuarded)).toEqual([]);
  // It takes the scope `ops`, which no token has.
  expect(reading.missed(['a token']).filter(reading.isGuarded)).toEqual(['/v1/installations']);
  expect(reading.missed(['nobody']).length).toBeGreaterThan(50);

  const canaries = withoutDoubles([
    ...outcomes.flatMap((outcome) => outcome.canaries),
    ...ofInstance,
    ...secretsOf('the operator’s App', app),
    { name: 'the operator’s token', value: operatorToken },
    { name: 'the session', value: session.token },
    { name: 'its CSRF token', value: csrfTokenOf(session.token) },
    { name: 'the sign-in code', value: code },
    ...named('an installation token', github.state.tokens.keys()),
    ...addresses.list(),
  ]);
  expect(canaries.length).toBeGreaterThan(200);
  expect(canaries.filter(({ value }) => value.length < 20)).toEqual([]);
  expect(github.state.tokens.size).toBeGreaterThan(4);
  // The faults were met.
  const met = github.ledger.filter(({ status }) => status === 500 || status === 422).map((entry) => entry.path);
  for (const path of [/dispatches$/, /statuses/, /access_tokens$/])
    expect(met).toContainEqual(expect.stringMatching(path));

  // A secret that is made here is told once, to whoever asked for it.
  const told = [
    ...outcomes.flatMap((outcome) => outcome.told),
    'the session in the answer to POST /v1/sessions (201)',
    'its CSRF token in the answer to POST /v1/sessions (201)',
  ];
  const found = sweep(canaries, await places());
  const browsers = [...toldToBrowsers, ...perhapsToldToBrowsers];
  expect(found.filter((one) => !browsers.includes(one)).sort()).toEqual(told.sort());
  expect(found).toEqual(expect.arrayContaining(toldToBrowsers));
}, 240_000);

test('the sweep finds what was planted in each of these places', async () => {
  const planted = Object.fromEntries(
    ['log', 'row', 'standardError', 'file', 'memo', 'attribute', 'heartbeat', 'failure'].map((name) => [
      name,
      marker(),
    ]),
  ) as Record<'log' | 'row' | 'standardError' | 'file', string> & PlantedInTemporal;
  const operator = createClient(product.url, operatorToken);
  await operator.send('GET', '/v1/me', undefined, { 'x-request-id': planted.log });
  const [project] = await operator.ask<{ id: string }[]>('GET', '/v1/projects');
  await operator.ask('POST', `/v1/projects/${project?.id}/apps`, { name: planted.row });
  writeFileSync(path.join(temporary, 'note'), planted.file);
  await plantInTemporal(temporal, planted);
  const program = runProgram(process.execPath, ['-e', 'console.error(process.argv[1])', planted.standardError], {});
  await program.ended;

  const canaries = Object.entries(planted).map(([name, value]) => ({ name, value }));
  const all = async () => [...(await places()), { name: 'the output of a program', content: program.output() }];
  await expect
    .poll(async () => sweep(canaries, await all()), { timeout: 15_000, interval: 500 })
    .toEqual(
      expect.arrayContaining([
        'log in the output',
        'log in the answer to GET /v1/me (200)',
        'row in fairlead.db-wal',
        'standardError in the output of a program',
        'file in the temporary file note',
        ...['memo', 'attribute', 'heartbeat', 'failure'].flatMap((name) => [
          `${name} in the history of leak`,
          expect.stringMatching(`^${name} in temporal\\.db`),
        ]),
      ]),
    );
}, 60_000);

test('the sweep finds a secret in each spelling', () => {
  const secret = `a/+ "<é>'${marker()}`;
  const encoded = (ahead: string) => Buffer.from(`${ahead}${secret} and more`);
  const spellings = {
    plain: `…${secret}…`,
    'in a URL': `https://example.com/?q=${encodeURIComponent(secret)}&x=1`,
    'in a form': new URLSearchParams({ q: secret, x: '1' }).toString(),
    'on a page': `<input value="${escapeHtml(secret)}">`,
    'in JSON': JSON.stringify({ secret }),
    'in JSON in JSON': JSON.stringify({ text: JSON.stringify({ secret }) }),
    'in hexadecimal': encoded('').toString('hex'),
    'in capital hexadecimal': encoded('x').toString('hex').toUpperCase(),
    ...Object.fromEntries(
      ['', 'x', 'xy', 'user:'].map((ahead) => [`base64 ${ahead}`, encoded(ahead).toString('base64')]),
    ),
    ...Object.fromEntries(
      ['', 'x', 'xy', 'user:'].map((ahead) => [`base64url ${ahead}`, encoded(ahead).toString('base64url')]),
    ),
  };
  for (const [name, content] of Object.entries(spellings)) {
    expect(sweep([{ name: 'it', value: secret }], [{ name, content }])).toEqual([`it in ${name}`]);
  }
});

test('the sweep finds a private key in each form, and takes a public one for none', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  const places = {
    'PKCS#1': pem,
    'PKCS#8': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    DER: privateKey.export({ type: 'pkcs8', format: 'der' }),
    JWK: JSON.stringify(privateKey.export({ format: 'jwk' })),
    'DER in base64': privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    'PEM in JSON': JSON.stringify({ pem }),
  };
  const found = (name: string, content: string | Buffer) => sweep(keyCanaries('it', pem), [{ name, content }]);
  for (const [name, content] of Object.entries(places)) expect(found(name, content), name).not.toEqual([]);
  expect(found('public', publicKey.export({ type: 'spki', format: 'pem' }).toString())).toEqual([]);
  expect(found('JWKS', JSON.stringify(publicKey.export({ format: 'jwk' })))).toEqual([]);
});

/** Of its own, so that nothing else is in it; only the cache of compiled sources is the usual one. */
function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-temporary-'));
  const cache = `tsx-${process.geteuid?.()}`;
  if (existsSync(path.join(tmpdir(), cache))) symlinkSync(path.join(tmpdir(), cache), path.join(folder, cache));
  return folder;
}

/** The first name of a value says best what it is. */
function withoutDoubles(canaries: Canary[]): Canary[] {
  const byValue = new Map(canaries.toReversed().map((one) => [one.value.toString('latin1'), one]));
  return canaries.filter((one) => byValue.get(one.value.toString('latin1')) === one);
}

async function connectAndRotate(day: Day): Promise<Outcome> {
  const { canaries, own } = await connectAll(day);
  return { canaries: [...canaries, ...(await rotateAll(day, own.app, own.integrationId))], told: [] };
}

async function succeed(day: Day): Promise<void> {
  await (await runningBuild(scene, day)).end();
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
