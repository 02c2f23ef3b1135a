import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { catalogue } from '../../api/http/problems.ts';
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
  test('returns the password unchanged, with any characters', async () => {
    const password = `p$'"(:\n\\ü\u0000`;
    scene.answer(async () => ({ password }));
    expect(await given()).toEqual({ ServerURL: 'registry.example.com', Username: 'robot$team', Secret: password });
    expect(scene.made).toMatchObject([{ host: 'registry.example.com', purpose: 'pull', repositories: [] }]);
  });

  test('accepts all names that clients use for a registry', async () => {
    await project.registry('docker.io', 'dockerhub');
    for (const server of ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io']) {
      expect((await given(server)).ServerURL, server).toBe(server);
    }
    expect(new Set(scene.made.map(({ host }) => host))).toEqual(new Set(['docker.io']));
    expect((await given('https://REGISTRY.example.com/v2/\n')).Username).toBe('robot$team');
    // There is one upstream call for each registry. The other credentials came from the cache.
    expect(scene.made).toHaveLength(2);
  });

  test('requests push only when told to, and an app’s own image for an app', async () => {
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

  test('an app’s own token gets nothing for a host other than its registry', async () => {
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

  test('names an unusable integration, and says what to do', async () => {
    const id = await project.registry('broken.example.com');
    await scene.api.database.write((trx) =>
      trx('integrations').where({ id }).update({ status: 'reauth_required', display_name: 'Broken registry' }),
    );
    const { code, stdout } = await helper('get', 'broken.example.com');
    expect(code).toBe(1);
    expect(stdout).toContain('The integration Broken registry has the status reauth_required');
    expect(stdout).toContain('Store credentials that the registry accepts');
    expect(stdout).toContain('(integration_unusable)');
  });

  test('never returns a credential for another host', async () => {
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
  ])('returns nothing for %s', async (server) => {
    expect(await helper('get', server)).toEqual(notFound);
    expect(scene.made).toEqual([]);
  });

  test('reports a missing server, a server that is too long, and a missing action', async () => {
    expect(await helper('get', ' \n')).toEqual({ code: 1, stdout: 'no credentials server URL\n', stderr: '' });
    expect(await helper('get', 'x'.repeat(100_000))).toMatchObject({ code: 1, stdout: /^Standard input is too long/ });
    for (const args of [[], ['steal'], ['get', 'registry.example.com'], ['__proto__']]) {
      expect(await me.run('docker-credential-fairlead', args), args.join()).toMatchObject({
        code: 2,
        stdout: /^usage/,
      });
    }
  });
});

describe('failures', () => {
  test('writes a refusal to standard output, which docker shows', async () => {
    await project.registry();
    const several = await helper('get');
    expect(several).toMatchObject({ code: 1, stderr: '' });
    const { title } = catalogue.ambiguous_integration;
    expect(several.stdout.startsWith(title), several.stdout).toBe(true);
    expect(several.stdout).toMatch(/^.+ \(ambiguous_integration\)\n$/);
  });

  test('without a login says what to do', async () => {
    const nobody = scene.person();
    const answer = await helper('get', undefined, {}, nobody);
    expect(answer).toMatchObject({ code: 1, stdout: expect.stringContaining('fairlead login') });
    const half = await helper('get', undefined, { FAIRLEAD_URL: scene.api.url }, nobody);
    expect(half.stdout).toContain('FAIRLEAD_PROJECT, FAIRLEAD_TOKEN');
  });

  test('names the file that cannot be read', async () => {
    const nobody = scene.person();
    mkdirSync(nobody.configFile, { recursive: true });
    const answer = await helper('get', undefined, {}, nobody);
    expect(answer).toEqual({ code: 1, stdout: expect.stringMatching(/^EISDIR[^\n]+\n$/), stderr: '' });
  });

  test('names the source of a rejected token, but not the token', async () => {
    const wrong = await helper('get', undefined, { FAIRLEAD_TOKEN: 'flt_of-nobody' });
    expect(wrong).toEqual({ code: 1, stdout: `${scene.api.url} rejected FAIRLEAD_TOKEN\n`, stderr: '' });
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
  ])('names an invalid %s, without its value', async (name, value) => {
    const answer = await helper('get', undefined, { [name]: value });
    expect(answer).toMatchObject({ code: 2, stdout: expect.stringContaining(name), stderr: '' });
    expect(answer.stdout).not.toContain('secret');
  });
});

describe('other actions', () => {
  test('store stores nothing, and says so', async () => {
    const answer = await helper('store', '{"ServerURL":"registry.example.com","Username":"u","Secret":"hunter2"}');
    expect(answer).toEqual({ code: 0, stdout: '', stderr: expect.stringContaining('nothing was stored') });
    expect((await given()).Secret).not.toBe('hunter2');
  });

  test('erase clears the cache, list returns nothing, version returns the version', async () => {
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
