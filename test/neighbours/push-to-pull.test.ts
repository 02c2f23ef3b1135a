import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filesUnder, historiesOf, type Place, sweep } from '../support/canaries/canaries.ts';
import { type Client as ApiClient, createClient } from '../support/client.ts';
import { startTokenSigner, type TokenSigner } from '../support/fakes/token-signer.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/programs/docker-registry.ts';
import { runProgram } from '../support/programs/processes.ts';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/programs/product.ts';
import { program } from '../support/programs/programs.ts';
import { pullImage, pushImage } from '../support/programs/push-image.ts';
import { listBuilds, type Platform } from '../support/scenes/platform.ts';

type DockerConfig = { auths: Record<string, { auth: string }> };
type Given = {
  code?: string;
  token?: string;
  docker_config?: DockerConfig;
  lease_id: string;
  effective_scope: { repositories: string[] | '*'; actions: string[]; narrowed_to: string; static: boolean };
};
type Connected = {
  id: string;
  status: string;
  registry: { username: string; checks: { repository: string; action: string; outcome: string }[] };
};

const image = 'team/shop';
/** All characters that a shell, a header or a JSON document could misread. */
const secretOf = (name: string) => `${name}-${randomBytes(12).toString('hex')}$'"(:\n\\ü`;
const robot = { username: 'robot$team+ci', password: secretOf('tokens') };
const plain = { username: 'builder', password: secretOf('passwords') };
const actions = ['pull', 'push'];
const soon = { timeout: 40_000, interval: 200 };

let scene: Scene;
let signer: TokenSigner;
/** By name, because crane sends no password to a token service at an internal address. */
let realm: URL;
let tokens: DockerRegistry;
let passwords: DockerRegistry;
let product: AllInOne;
let me: ApiClient;
let platform: Platform;
let deployment: ApiClient;
let integrationId: string;
let folder: string;
/** The tokens that the registry has issued. */
const bearers: string[] = [];
/** What the API has returned about its integrations. */
const answers: Place[] = [];

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'fairlead-push-to-pull-'));
  signer = await startTokenSigner([{ ...robot, access: { [image]: actions, 'team/other': actions } }]);
  realm = new URL(signer.settings.realm.replace('127.0.0.1', 'localhost'));
  tokens = await startDockerRegistry({ token: { ...signer.settings, realm: realm.href } });
  passwords = await startDockerRegistry({ htpasswd: [plain] });
  scene = await startScene();
  product = await startAllInOne({
    ...scene,
    env: {
      FAIRLEAD_LOG_LEVEL: 'trace',
      FAIRLEAD_ALLOWED_HOSTS: [scene.github.url, tokens.url, passwords.url, realm.origin].join(' '),
    },
  });
  me = product.client;
  platform = await bind(scene, me);
  const [project] = await me.ask<{ id: string; org_id: string }[]>('GET', '/v1/projects');
  const { token } = await me.ask<{ token: string }>('POST', '/v1/tokens', {
    org_id: project?.org_id,
    project_id: platform.projectId,
    app_id: platform.appId,
    name: 'deployments',
    scopes: ['credentials:exchange'],
  });
  deployment = createClient(product.url, token);
}, 240_000);

afterAll(async () => {
  await product?.remove();
  await scene?.github.close();
  await tokens?.end();
  await passwords?.end();
  await signer?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Connects a registry, and waits until it is proven. */
async function connect({ url }: DockerRegistry, credentials: { username: string; password: string }) {
  const connected = await me.ask<Connected>('POST', '/v1/integrations?wait=30', {
    provider: 'oci',
    project_id: platform.projectId,
    registry: url,
    credentials,
    repositories: [image],
    ...(url === tokens.url && { realm: realm.host }),
  });
  const read = await me.ask<Connected>('GET', `/v1/integrations/${connected.id}`);
  answers.push({ name: 'the answer that connects it', content: JSON.stringify(connected) });
  answers.push({ name: 'the integration', content: JSON.stringify(read) });
  return read;
}

const setRegistry = (integration: string) =>
  me.ask<{ registry_status: string }>('PUT', `/v1/apps/${platform.appId}/registry`, {
    integration_id: integration,
    image_repository: image,
  });

const exchange = (who: ApiClient, body: object) =>
  who.send<Given>('POST', `/v1/projects/${platform.projectId}/credentials/exchange`, body);

/** Pushes at GitHub, and waits for the start of the run. Returns the credential of its runner. */
async function beginBuild(): Promise<{ id: string; runner: ApiClient; succeed(): Promise<void> }> {
  const { sha } = await scene.push();
  const mine = async () => (await listBuilds(me)).find((one) => one.sha === sha);
  await expect.poll(async () => (await mine())?.status, soon).toBe('running');
  const { id = '', run_id: runId } = (await mine()) ?? {};
  const { token } = await me.ask<{ token: string }>('POST', `/v1/builds/${id}/token`);
  return {
    id,
    runner: createClient(product.url, token),
    async succeed() {
      const { github, app, installation } = scene;
      const run = github.state.runs.get(runId ?? 0);
      if (!run) throw new Error('GitHub has no such run');
      const payload = github.progressRun(run, { status: 'completed', conclusion: 'success' });
      await github.sendWebhook({ app, event: 'workflow_run', payload, installation });
      await expect.poll(async () => (await mine())?.status, soon).toBe('succeeded');
    },
  };
}

/** A folder with this configuration, for `DOCKER_CONFIG`. */
function configFolder(config: object | undefined): string {
  const made = mkdtempSync(path.join(folder, 'config-'));
  writeFileSync(path.join(made, 'config.json'), JSON.stringify(config));
  return made;
}

/** Creates an image of one layer with crane, and pushes it. */
async function cranePushes({ host }: DockerRegistry, tag: string, config: object | undefined) {
  const layer = path.join(folder, `${tag}.tar`);
  const content = mkdtempSync(path.join(folder, 'layer-'));
  writeFileSync(path.join(content, 'hello.txt'), `Hello from ${tag}`);
  execFileSync('tar', ['-cf', layer, '-C', content, 'hello.txt']);
  const to = `${host}/${image}:${tag}`;
  const args = ['append', '--insecure', '--oci-empty-base', '--new_layer', layer, '--new_tag', to];
  const crane = runProgram(program('crane'), args, { DOCKER_CONFIG: configFolder(config) });
  return { code: await crane.ended, output: crane.output() };
}

/** Copies an image with skopeo and the exchanged login. */
async function skopeoCopies(from: string, to: string, options: string[]) {
  const args = ['--insecure-policy', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false', ...options, from, to];
  const skopeo = runProgram(program('skopeo'), args, {});
  return { code: await skopeo.ended, output: skopeo.output() };
}

function layout(name: string): string {
  const made = path.join(folder, name);
  mkdirSync(made, { recursive: true });
  return `dir:${made}`;
}

const authfile = (config: object | undefined) => ['--authfile', path.join(configFolder(config), 'config.json')];

test('connects a registry with a token service, and proves it for the image of the app', async () => {
  const { id, status, registry } = await connect(tokens, robot);
  integrationId = id;
  expect(status).toBe('active');
  expect(registry.checks).toMatchObject([
    { repository: image, action: 'pull', outcome: 'allowed' },
    { repository: image, action: 'push', outcome: 'allowed' },
  ]);
  expect(tokens.stored()).toEqual([]);
  expect(await setRegistry(id)).toMatchObject({ registry_status: 'connected' });
}, 90_000);

test('turns a push into a build whose runner only pushes the image, and a deployment that only pulls it', async () => {
  const build = await beginBuild();

  const pushing = await exchange(build.runner, { purpose: 'push', format: 'docker_config' });
  expect(pushing).toMatchObject({ status: 200, body: { effective_scope: { static: true, narrowed_to: 'identity' } } });
  expect(await cranePushes(tokens, 'v1', pushing.body.docker_config)).toEqual({ code: 0, output: expect.any(String) });
  const narrow = await exchange(build.runner, { purpose: 'push', format: 'bearer' });
  expect(narrow.body.effective_scope).toMatchObject({ repositories: [image], actions, narrowed_to: 'repository' });
  const bearer = `Bearer ${narrow.body.token}`;
  expect(await pushImage(tokens.url, image, 'by-hand', bearer)).toBe(201);
  expect(await pushImage(tokens.url, 'team/other', 'by-hand', bearer)).toBe(401);
  for (const purpose of actions) {
    const other = await exchange(build.runner, { purpose, repositories: ['team/other'] });
    expect(other).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
  }
  await build.succeed();
  expect((await exchange(build.runner, { purpose: 'push' })).status).toBe(401);

  const pulling = await exchange(deployment, { purpose: 'pull', format: 'bearer' });
  const { token = '', effective_scope: scope } = pulling.body;
  bearers.push(token, narrow.body.token ?? '');
  expect(scope).toMatchObject({ repositories: [image], actions: ['pull'], narrowed_to: 'repository', static: false });
  const from = `docker://${tokens.host}/${image}:v1`;
  const copied = layout('v1');
  const pulled = await skopeoCopies(from, copied, ['--src-registry-token', token]);
  expect(pulled).toEqual({ code: 0, output: expect.any(String) });
  const to = `docker://${tokens.host}/${image}:v2`;
  const pushed = await skopeoCopies(copied, to, ['--dest-registry-token', token]);
  expect(pushed.code).not.toBe(0);
  expect(pushed.output).toMatch(/unauthorized|authentication required|denied/i);
  expect(await pushImage(tokens.url, image, 'v2', `Bearer ${token}`)).toBe(401);
  expect(await pullImage(tokens.url, 'team/other', 'by-hand', `Bearer ${token}`)).toBe(401);
  const other = await exchange(deployment, { purpose: 'pull', repositories: ['team/other'] });
  expect(other).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
}, 120_000);

test('gives nothing without the registry, until the app has another one', async () => {
  const build = await beginBuild();
  expect((await exchange(build.runner, { purpose: 'push' })).status).toBe(200);
  expect((await exchange(deployment, { purpose: 'pull' })).status).toBe(200);

  await me.ask('DELETE', `/v1/integrations/${integrationId}?wait=30`);
  const asks = [
    { who: build.runner, purpose: 'push' },
    { who: deployment, purpose: 'pull' },
  ];
  for (const { who, purpose } of asks) {
    const refused = await exchange(who, { purpose });
    expect(refused, purpose).toMatchObject({ status: 409, body: { code: 'integration_deleted' } });
  }
  // A push in the meantime says why nothing is built.
  const before = scene.dispatched().length;
  const { sha } = await scene.push();
  const refusal = async () => (await listBuilds(me)).find((one) => one.sha === sha);
  await expect.poll(refusal, soon).toMatchObject({ status: 'failed', reason: 'integration_deleted' });
  expect(scene.dispatched()).toHaveLength(before);

  const { id, status } = await connect(passwords, plain);
  expect(status).toBe('active');
  expect((await exchange(deployment, { purpose: 'pull' })).body.code).toBe('integration_deleted');
  await setRegistry(id);
  const pushing = await exchange(build.runner, { purpose: 'push', format: 'docker_config' });
  expect(await cranePushes(passwords, 'v3', pushing.body.docker_config)).toEqual({
    code: 0,
    output: expect.any(String),
  });
  await build.succeed();
  const pulling = await exchange(deployment, { purpose: 'pull', format: 'docker_config' });
  expect(pulling.body.effective_scope).toMatchObject({ repositories: '*', narrowed_to: 'identity', static: true });
  const from = `docker://${passwords.host}/${image}:v3`;
  const pulled = await skopeoCopies(from, layout('v3'), authfile(pulling.body.docker_config));
  expect(pulled).toEqual({ code: 0, output: expect.any(String) });
  // This registry issues no tokens, and a password cannot be narrowed.
  const bearer = await exchange(deployment, { purpose: 'pull', format: 'bearer' });
  expect(bearer).toMatchObject({ status: 422, body: { code: 'provider_not_supported' } });
}, 120_000);

test('leaves no password or token of a registry in a log, a cell, an answer or a history', async () => {
  const connection = await Connection.connect({ address: product.temporalAddress });
  const histories = await historiesOf(new Client({ connection }));
  await connection.close();
  const names = histories.map(({ name }) => name).join('\n');
  for (const begun of ['build/', 'verify/', 'delete']) expect(names).toContain(begun);
  const places = [
    { name: 'the output', content: product.output() },
    ...answers,
    ...filesUnder(product.dataDir, ['master.key']),
    ...histories,
  ];
  const canaries = [robot, plain].flatMap(({ username, password }) => [
    { name: `the password of ${username}`, value: password },
    { name: `the random part of ${username}’s`, value: password.split('$')[0] ?? '' },
  ]);
  for (const value of bearers) canaries.push({ name: 'a token', value });
  expect(canaries.filter(({ value }) => value.length < 20)).toEqual([]);
  expect(sweep(canaries, places)).toEqual([]);

  // The sweep finds values that are stored in clear, so it can fail.
  const found = sweep([{ name: 'the user', value: robot.username }], places).join('\n');
  expect(found).toContain('the user in the integration');
  expect(found).toMatch(/the user in fairlead\.db/);
}, 60_000);
