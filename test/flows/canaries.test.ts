import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import knex from 'knex';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClient } from '../support/client.ts';
import { historyText } from '../support/history-text.ts';
import { listBuilds, setUpPlatform } from '../support/platform.ts';
import { type AllInOne, type Scene, startAllInOne, startScene } from '../support/product.ts';
import { type Canary, canary, found } from '../support/secret-sweep.ts';

const marker = () => randomBytes(24).toString('base64url');
const [admin, clientSecret, masterKey] = [marker() + marker(), marker(), randomBytes(32).toString('base64')];

let scene: Scene;
let product: AllInOne;
let temporal: Connection;
/** Every answer of the product, but for those that hand a secret out on purpose. */
const answers: string[] = [];
const canaries: Canary[] = [];

async function ask(method: string, path: string, body?: unknown, token = admin) {
  const answer = await createClient(product.url, token).send<Record<string, string>>(method, path, body);
  answers.push(JSON.stringify([...answer.headers]) + JSON.stringify(answer.body));
  return answer;
}

beforeAll(async () => {
  scene = await startScene();
  product = await startAllInOne({
    ...scene,
    env: {
      FAIRLEAD_LOG_LEVEL: 'trace',
      FAIRLEAD_ADMIN_TOKEN: admin,
      FAIRLEAD_MASTER_KEYS: `k1:${masterKey}`,
      GITHUB_APP_CLIENT_ID: 'Iv1.canary',
      GITHUB_APP_CLIENT_SECRET: clientSecret,
    },
  });
  temporal = await Connection.connect({ address: product.temporalAddress });
}, 120_000);
afterAll(async () => {
  await temporal.close();
  await product.remove();
  await scene.github.close();
});

test('after a whole life with builds, refusals and failures, no secret is anywhere that it should not be', async () => {
  const { github, app, installation, repository } = scene;
  const code = /sign-in\?code=([\w-]+)/.exec(product.output())?.[1] ?? '';
  // The two answers that hold a secret: the session and the token that were just made.
  const session = await createClient(product.url, '').send<{ token: string }>('POST', '/v1/sessions', { code });
  const me = createClient(product.url, session.body.token);
  const [project] = await me.ask<{ id: string; org_id: string }[]>('GET', '/v1/projects');
  const made = await me.ask<{ token: string }>('POST', '/v1/tokens', {
    org_id: project?.org_id,
    name: 'ci',
    scopes: ['builds:read', 'pipelines:read'],
  });

  const admins = createClient(product.url, admin);
  const { pipelineId } = await setUpPlatform(admins, {
    installationId: installation.id,
    repositoryId: repository.id,
  });
  github.autoRuns = true;
  await scene.push();
  await expect.poll(async () => (await listBuilds(admins))[0]?.status, { timeout: 30_000 }).toBe('succeeded');

  // GitHub echoes what it was sent, refuses, breaks.
  const issued = () => [...github.state.tokens.values()].map(({ token }) => token);
  github.faults.add({ path: /\/statuses\//, kind: 'status', status: 500, times: 2, body: `broken by ${issued()[0]}` });
  github.faults.add({
    path: /\/dispatches$/,
    kind: 'status',
    status: 422,
    times: 1,
    body: { message: `no ${issued()[0]}` },
  });
  await scene.push();
  await expect
    .poll(async () => (await listBuilds(admins)).map(({ status }) => status), { timeout: 30_000 })
    .toContain('failed');
  await ask('POST', `/v1/pipelines/${pipelineId}/check`, undefined, made.token);
  await ask('GET', '/v1/me', undefined, made.token);
  await ask('GET', '/v1/me', undefined, `${admin}x`);
  await ask('POST', '/v1/sessions', { code });
  await ask('GET', '/v1/builds?limit=x');
  for (const list of ['builds', 'deliveries', 'tokens', 'audit', 'incidents', 'integrations', 'installations']) {
    await ask('GET', `/v1/${list}`);
  }
  await ask('GET', '/openapi.json');
  await ask('GET', '/metrics');
  const forged = await fetch(`${product.url}/v1/webhooks/github`, {
    method: 'POST',
    body: '{}',
    headers: {
      'x-hub-signature-256': `sha256=${'0'.repeat(64)}`,
      'x-github-hook-installation-target-id': String(app.appId),
    },
  });
  answers.push(await forged.text());

  canaries.push(
    canary('webhook secret', app.webhookSecret),
    canary('client secret', clientSecret),
    canary('operator’s token', admin),
    canary('master key', masterKey),
    canary('private key', app.privateKey.split('\n')[5] ?? ''),
    canary('session', session.body.token),
    canary('API token', made.token),
    ...issued().map((token, index) => canary(`installation token ${index}`, token)),
  );
  expect(issued().length).toBeGreaterThan(2);

  for (const answer of answers) expect(found(canaries, answer)).toEqual([]);
  expect(found(canaries, product.output())).toEqual([]);
  for (const history of await histories()) expect(found(canaries, history)).toEqual([]);
  // The sign-in code is printed for the person who starts; nothing else keeps it.
  const stored = [...canaries, canary('sign-in code', code)];
  for (const [file, bytes] of files()) expect({ file, found: found(stored, bytes) }).toEqual({ file, found: [] });
}, 120_000);

test('the sweep sees what is planted: in a log line, in the database, in a workflow’s memo', async () => {
  const [planted] = canaries;
  const secret = planted?.forms[0] ?? '';
  expect(found(canaries, `${product.output()}\n{"msg":"oops ${secret}"}`)).toContain(planted?.name);

  const database = knex({
    client: 'sqlite3',
    connection: { filename: path.join(product.dataDir, 'fairlead.db') },
    useNullAsDefault: true,
  });
  await database('instance').insert({ key: 'planted', value: Buffer.from(`a${secret}`).toString('base64') });
  await database.destroy();
  expect([...files()].flatMap(([, bytes]) => found(canaries, bytes))).toContain(planted?.name);

  const handle = await new Client({ connection: temporal }).workflow.start('planted', {
    workflowId: 'planted',
    taskQueue: 'nobody',
    memo: { note: secret },
  });
  expect((await histories()).flatMap((history) => found(canaries, history))).toContain(planted?.name);
  await handle.terminate();
}, 60_000);

/** Every workflow's history, with its payloads readable. */
async function histories(): Promise<string[]> {
  const { workflow } = new Client({ connection: temporal });
  const texts: string[] = [];
  for await (const { workflowId, runId } of workflow.list()) {
    texts.push(await historyText(workflow.getHandle(workflowId, runId)));
  }
  expect(texts.length).toBeGreaterThan(1);
  return texts;
}

/** All that lies in the data directory, Temporal's files and log included. */
function* files(): Iterable<[string, Buffer]> {
  const names = readdirSync(product.dataDir).filter((name) => name !== 'master.key' && !name.endsWith('.pid'));
  expect(names).toEqual(expect.arrayContaining(['fairlead.db', 'temporal.db']));
  for (const name of names) yield [name, readFileSync(path.join(product.dataDir, name))];
}
