import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { csrfTokenOf } from '../../api/http/authenticate.ts';
import { connect, type Database } from '../../db/store/connection.ts';
import { roleScopes } from '../../domain/people/scopes.ts';
import { addressCanaries, perhapsToldToBrowsers, toldToBrowsers, withoutIds } from '../support/canaries/addresses.ts';
import { buildAndFail } from '../support/canaries/builds.ts';
import { type Canary, filesUnder, historiesOf, type Place, sweep } from '../support/canaries/canaries.ts';
import { startDayOfClouds } from '../support/canaries/clouds.ts';
import { connectAll, secretsOf } from '../support/canaries/connect.ts';
import { type Day, named, type Outcome } from '../support/canaries/day.ts';
import { failAtOurDoor } from '../support/canaries/door.ts';
import { exchangeAtGitHub } from '../support/canaries/exchange.ts';
import { keysOfInstance } from '../support/canaries/issuer.ts';
import { type PlantedInTemporal, plantInTemporal } from '../support/canaries/planted-step.ts';
import { createReading } from '../support/canaries/reading.ts';
import { startDayOfRegistry } from '../support/canaries/registry.ts';
import { rotateAll } from '../support/canaries/rotation.ts';
import { makeToken, signInWithBrowser } from '../support/canaries/sessions.ts';
import { createClient } from '../support/client.ts';
import { freePort, runProgram } from '../support/programs/processes.ts';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/programs/product.ts';

const marker = () => randomBytes(24).toString('hex');
const operatorToken = `operator-${marker()}`;
const clientSecret = `client-${marker()}`;
/** An https address, since clouds accept no other issuer. Only this process can reach it. */
const publicUrl = 'https://fairlead.example';

let scene: Scene;
let metricsPort: number;
let registry: Awaited<ReturnType<typeof startDayOfRegistry>>;
let clouds: Awaited<ReturnType<typeof startDayOfClouds>>;
let product: AllInOne;
let database: Database;
let connection: Connection;
let temporal: Client;
let reading: ReturnType<typeof createReading>;
const temporary = temporaryFolder();
const originalFetch = globalThis.fetch;
/** Every response of the product, to all callers. */
const answers: Place[] = [];
const addresses = addressCanaries();
/** The caller behind each token. */
const callers = new Map([[operatorToken, 'the operator']]);

/** Sends the request as a reverse proxy does, with the public host name in a header. */
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
    reading?.note(method, pathname, callers.get(token) ?? 'a visitor', response.status);
    const name = `the answer to ${method} ${withoutIds(pathname)} (${response.status})`;
    const text = await response.clone().text();
    answers.push({ name, content: `${JSON.stringify([...response.headers])}\n${text}` });
    if (response.headers.get('content-type')?.includes('json')) addresses.observeLinks(text);
  }
  return response;
}

beforeAll(async () => {
  [scene, registry, clouds] = await Promise.all([startScene(), startDayOfRegistry(), startDayOfClouds(publicUrl)]);
  const { app } = scene;
  app.clientSecret = clientSecret;
  metricsPort = await freePort();
  product = await startAllInOne({
    ...scene,
    env: {
      ...clouds.env,
      FAIRLEAD_LOG_LEVEL: 'trace',
      FAIRLEAD_METRICS_PORT: String(metricsPort),
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

/** Everything, as it is now. */
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

  const outcomes: Outcome[] = [ci.outcome, all.outcome];
  const [ofClouds, ...others] = await Promise.all([
    clouds.work(day),
    buildAndFail(day, ci.client).then(() => exchangeAtGitHub(day)),
    connectAndRotate(day),
    registry.work(day),
    signInWithBrowser(day, database),
  ]);
  outcomes.push(ofClouds, ...others);
  await failAtOurDoor(day, { reader: ci.client, usedCode: code, operatorToken });
  const queries = { '/v1/audit/verify': `?org_id=${day.orgId}` };
  for (const client of [me, all.client, operator]) await reading.readAll(client, queries);
  expect((await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).status).toBe(200);
  await ofClouds.end();
  await ci.revoke();
  await all.revoke();
  const ofInstance = await keysOfInstance(day, database);
  await me.send('DELETE', '/v1/sessions', undefined);

  // Each kind of caller has called every GET route that it has access to.
  expect(reading.missed(['a visitor', 'the owner', 'a token', 'the operator'])).toEqual([]);
  expect(reading.missed(['the owner']).filter(reading.isGuarded)).toEqual([]);
  expect(reading.missed(['the operator']).filter(reading.isGuarded)).toEqual([]);
  // This route needs the scope `ops`, which no token has.
  expect(reading.missed(['a token']).filter(reading.isGuarded)).toEqual(['/v1/installations']);
  expect(reading.missed(['an unknown caller']).length).toBeGreaterThan(50);

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

  // The product returns a secret once, in the response to the request for it.
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

test('the sweep finds a planted text in each place', async () => {
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

/** Makes a temporary folder for the product. A link to the cache of compiled sources saves seconds at the start. */
function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-temporary-'));
  const cache = `tsx-${process.geteuid?.()}`;
  if (existsSync(path.join(tmpdir(), cache))) symlinkSync(path.join(tmpdir(), cache), path.join(folder, cache));
  return folder;
}

/** Keeps the first of several canaries with one value: its name says most. */
function withoutDoubles(canaries: Canary[]): Canary[] {
  const byValue = new Map(canaries.toReversed().map((one) => [one.value.toString('latin1'), one]));
  return canaries.filter((one) => byValue.get(one.value.toString('latin1')) === one);
}

async function connectAndRotate(day: Day): Promise<Outcome> {
  const { canaries, own } = await connectAll(day);
  return { canaries: [...canaries, ...(await rotateAll(day, own.app, own.integrationId))], told: [] };
}
