import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Ended, Somebody } from '../support/programs/commands.ts';
import { type CommandsProject, type CommandsScene, commandsScene } from '../support/scenes/commands-scene.ts';

let scene: CommandsScene;
let project: CommandsProject;
let env: Record<string, string>;
let me: Somebody;

beforeAll(async () => {
  scene = await commandsScene();
});
afterAll(() => scene?.stop());

beforeEach(async () => {
  scene.made.length = 0;
  scene.answer(async () => ({}));
  project = await scene.project();
  await project.registry();
  env = { FAIRLEAD_URL: scene.api.url, FAIRLEAD_PROJECT: project.projectId, FAIRLEAD_TOKEN: await project.token() };
  me = scene.person(env);
});

const helper = (action: string, server = 'registry.example.com', more = {}, who = me) =>
  who.run('docker-credential-fairlead', [action], server, more);
const notFound: Ended = { code: 1, stdout: 'credentials not found in native keychain\n', stderr: '' };

async function given(server?: string, more = {}, who = me) {
  const { code, stdout, stderr } = await helper('get', server, more, who);
  expect(`${code} ${stderr}`, stdout).toBe('0 ');
  return JSON.parse(stdout) as { ServerURL: string; Username: string; Secret: string };
}

describe('get', () => {
  test('answers with what the registry takes, whatever characters it has', async () => {
    const password = `p$'"(:\n\\ü\u0000`;
    scene.answer(async () => ({ password }));
    expect(await given()).toEqual({ ServerURL: 'registry.example.com', Username: 'robot$team', Secret: password });
    expect(scene.made).toMatchObject([{ host: 'registry.example.com', purpose: 'pull', repositories: [] }]);
  });

  test('knows the ways in which clients name a registry', async () => {
    await project.registry('docker.io', 'dockerhub');
    for (const server of ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io']) {
      expect((await given(server)).ServerURL, server).toBe(server);
    }
    expect(new Set(scene.made.map(({ host }) => host))).toEqual(new Set(['docker.io']));
    expect((await given('https://REGISTRY.example.com/v2/\n')).Username).toBe('robot$team');
    // One upstream call for each of both: the rest came from the cache.
    expect(scene.made).toHaveLength(2);
  });

  test('for pushing only where that is said, and by an app for its own image', async () => {
    const client = scene.api.as(env['FAIRLEAD_TOKEN'] ?? '');
    const [registry] = (
      await client.ask<{ id: string; provider: string }[]>('GET', `/v1/projects/${project.projectId}/integrations`)
    ).filter(({ provider }) => provider === 'oci');
    await client.ask('PUT', `/v1/apps/${project.appId}/registry`, {
      integration_id: registry?.id,
      image_repository: 'acme/shop',
    });
    await given(undefined, { FAIRLEAD_PURPOSE: 'push', FAIRLEAD_APP: project.appId });
    await given(undefined, { FAIRLEAD_REPOSITORIES: 'acme/base, acme/shop' });
    expect(scene.made.map(({ purpose, repositories }) => ({ purpose, repositories }))).toEqual([
      { purpose: 'push', repositories: ['acme/shop'] },
      { purpose: 'pull', repositories: ['acme/base', 'acme/shop'] },
    ]);
  });

  test('an app’s own token is given nothing for another host than that of its registry', async () => {
    const narrow = { FAIRLEAD_TOKEN: await project.token(undefined, true), FAIRLEAD_APP: project.appId };
    const registry = await project.registry('own.example.com');
    await scene.api.as(env['FAIRLEAD_TOKEN'] ?? '').ask('PUT', `/v1/apps/${project.appId}/registry`, {
      integration_id: registry,
      image_repository: 'acme/shop',
    });
    expect(await helper('get', 'registry.example.com', narrow)).toEqual(notFound);
    expect(await helper('get', 'evil.example.com', narrow)).toEqual(notFound);
    expect(scene.made).toEqual([]);
    await given('own.example.com', narrow);
  });

  test('never hands on what is for another host', async () => {
    scene.answer(async () => ({ host: 'evil.example.com' }));
    expect(await helper('get')).toEqual(notFound);
  });

  test.each([
    'other.example.com',
    'registry.example.com:5000',
    'registry.example.com/team',
    'registry.example.com@evil.example.com',
    'https://user:pw@registry.example.com',
    'evil.example.com\nregistry.example.com',
    'registry.example.com?x=1',
    'http://docker.io',
    'registry.example.com.',
    '../../etc/passwd',
    '%72egistry.example.com',
    '{"ServerURL":"registry.example.com"}',
    `${'x'.repeat(260)}.example.com`,
  ])('%s is not one of ours', async (server) => {
    expect(await helper('get', server)).toEqual(notFound);
    expect(scene.made).toEqual([]);
  });

  test('without a server, with too long a one, and without an action it says so', async () => {
    expect(await helper('get', ' \n')).toEqual({ code: 1, stdout: 'no credentials server URL\n', stderr: '' });
    expect(await helper('get', 'x'.repeat(100_000))).toMatchObject({ code: 1, stdout: /more on standard input/ });
    for (const args of [[], ['steal'], ['get', 'registry.example.com'], ['__proto__']]) {
      expect(await me.run('docker-credential-fairlead', args), args.join()).toMatchObject({
        code: 2,
        stdout: /^usage/,
      });
    }
  });
});

describe('what cannot be given', () => {
  test('is told on standard output, where docker shows it', async () => {
    await project.registry();
    const several = await helper('get');
    expect(several).toMatchObject({ code: 1, stderr: '' });
    expect(several.stdout).toMatch(/^Several integrations fit.*\(ambiguous_integration\)\n$/);
  });

  test('for want of a login names what to do', async () => {
    const nobody = scene.person();
    const answer = await helper('get', undefined, {}, nobody);
    expect(answer).toMatchObject({ code: 1, stdout: expect.stringContaining('fairlead login') });
    const half = await helper('get', undefined, { FAIRLEAD_URL: scene.api.url }, nobody);
    expect(half.stdout).toContain('FAIRLEAD_PROJECT, FAIRLEAD_TOKEN');
  });

  test('for want of a file that can be read says which', async () => {
    const nobody = scene.person();
    mkdirSync(nobody.configFile, { recursive: true });
    const answer = await helper('get', undefined, {}, nobody);
    expect(answer).toEqual({ code: 1, stdout: expect.stringMatching(/^EISDIR[^\n]+\n$/), stderr: '' });
  });

  test('with a token that is refused is told by where the token came from, and without it', async () => {
    const wrong = await helper('get', undefined, { FAIRLEAD_TOKEN: 'flt_of-nobody' });
    expect(wrong).toEqual({ code: 1, stdout: `${scene.api.url} does not accept FAIRLEAD_TOKEN\n`, stderr: '' });
  });

  test.each([
    ['FAIRLEAD_TOKEN', 'two\nlines-of-a-secret'],
    ['FAIRLEAD_URL', 'ftp://user:secret@host'],
    ['FAIRLEAD_URL', 'https://user:secret@host'],
    ['FAIRLEAD_PROJECT', 'prj_secret'],
    ['FAIRLEAD_APP', '../app_secret'],
    ['FAIRLEAD_PURPOSE', 'secret'],
    ['FAIRLEAD_TIMEOUT', '-secret'],
    ['FAIRLEAD_CA_FILE', '/nowhere/secret'],
  ])('a wrong %s is named, without its value', async (name, value) => {
    const answer = await helper('get', undefined, { [name]: value });
    expect(answer).toMatchObject({ code: 2, stdout: expect.stringContaining(name), stderr: '' });
    expect(answer.stdout).not.toContain('secret');
  });
});

describe('the rest of the protocol', () => {
  test('store keeps nothing, and says so', async () => {
    const answer = await helper('store', '{"ServerURL":"registry.example.com","Username":"u","Secret":"hunter2"}');
    expect(answer).toEqual({ code: 0, stdout: '', stderr: expect.stringContaining('nothing was stored') });
    expect((await given()).Secret).not.toBe('hunter2');
  });

  test('erase has it asked for anew, list lists nothing, version says which', async () => {
    await given();
    await given();
    const { database } = scene;
    const leases = () => database.reader('leases').where({ project_id: project.projectId });
    expect(await leases()).toHaveLength(1);
    expect(await helper('erase')).toEqual({ code: 0, stdout: '', stderr: '' });
    await given();
    expect(await leases()).toHaveLength(2);
    expect(await helper('list', '')).toEqual({ code: 0, stdout: '{}\n', stderr: '' });
    expect((await helper('version', '')).stdout).toMatch(/^docker-credential-fairlead, fairlead \d+\.\d+\.\d+\n$/);
  });
});
