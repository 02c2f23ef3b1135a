import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { adminToken } from '../support/api.ts';

import type { Somebody } from '../support/programs/commands.ts';
import { type CommandsProject, type CommandsScene, commandsScene } from '../support/scenes/commands-scene.ts';

let scene: CommandsScene;
let project: CommandsProject;
let token: string;
let me: Somebody;

beforeAll(async () => {
  scene = await commandsScene();
  project = await scene.project();
  await project.registry();
  token = await project.token();
});
afterAll(() => scene?.stop());
beforeEach(() => {
  me = scene.person();
});

const login = (args: string[] = [], input = token, who = me) =>
  who.run('fairlead', ['login', '--url', scene.api.url, '--token-stdin', ...args], input);
const get = (more = {}) => me.run('docker-credential-fairlead', ['get'], 'registry.example.com', more);
const stored = () => JSON.parse(readFileSync(me.configFile, 'utf8')) as { logins: Record<string, string>[] };

describe('fairlead login', () => {
  test('stores a checked token in a file that no other user can read', async () => {
    const done = await login(['--app', project.appId], `${token}\n`);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toMatch(new RegExp(`as token:tok_\\w+, for the project Shop \\(${project.projectId}\\)`));
    expect(done.stdout).not.toContain(token);
    expect(stored().logins).toEqual([{ url: scene.api.url, project: project.projectId, app: project.appId, token }]);
    expect(statSync(me.configFile).mode & 0o777).toBe(0o600);
    expect(statSync(me.file('.config', 'fairlead')).mode & 0o777).toBe(0o700);
    expect(await get()).toMatchObject({ code: 0, stderr: '' });
  });

  test('accepts an app’s own token for a named project', async () => {
    const narrow = await project.token(undefined, true);
    expect(await login([], narrow)).toMatchObject({
      code: 2,
      stderr: 'fairlead: The token does not say which project it is for. Set it with --project\n',
    });
    const done = await login(['--project', project.projectId], narrow);
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('the project of the token') });
  });

  test('needs --project if the token can access several projects', async () => {
    expect(await login([], adminToken)).toMatchObject({
      code: 2,
      stderr: 'fairlead: The token can access several projects. Choose one with --project\n',
    });
    expect((await login(['--project', project.projectId], adminToken)).code).toBe(0);
  });

  test('with --push requests credentials that can push', async () => {
    await login(['--push']);
    scene.made.length = 0;
    await get();
    expect(scene.made).toMatchObject([{ purpose: 'push' }]);
  });

  test('stores several logins, and uses the last unless the environment selects another', async () => {
    const other = await scene.project();
    await other.registry('other.example.com');
    await login();
    await login([], await other.token());
    await login();
    await login([], await other.token());
    expect(stored().logins.map((one) => one['project'])).toEqual([other.projectId, project.projectId]);
    expect((await get()).code).toBe(1);
    expect((await get({ FAIRLEAD_PROJECT: project.projectId })).code).toBe(0);
    // A stored token is sent only to the address that it was stored for.
    const away = await get({ FAIRLEAD_URL: 'http://127.0.0.1:9', FAIRLEAD_PROJECT: project.projectId });
    expect(away).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('Not logged in to this instance and project'),
    });
  });

  test.each([
    ['an unknown token', async () => 'flt_of-nobody', [], /rejected this token/],
    ['no token', async () => ' \n', [], /Standard input is not a valid token/],
    ['two lines', async () => `${token}\nmore`, [], /not a valid token/],
    [
      'a token without the scope',
      async () => project.token(['builds:read']),
      [],
      /lacks the scope credentials:exchange/,
    ],
    [
      'another project',
      async () => token,
      ['--project', `prj_${'0'.repeat(26)}`],
      /lacks the scope credentials:exchange/,
    ],
    ['another app', async () => token, ['--app', `app_${'0'.repeat(26)}`], /cannot access app_0/],
    ['an invalid id', async () => token, ['--project', 'shop'], /--project is not the id/],
    ['an invalid address', async () => token, ['--url', 'fairlead.example.com'], /--url is not an address/],
    ['an argument', async () => token, ['flt_hunter2'], /accepts no arguments/],
    ['a token as an option', async () => token, ['--token=flt_hunter2'], /invalid use of --token\. See/],
  ])('rejects %s, and stores nothing', async (_, secret, args, said) => {
    const given = await secret();
    const done = await login(args, given);
    expect(done.code).toBeGreaterThan(0);
    expect(done).toMatchObject({ stdout: '', stderr: expect.stringMatching(said) });
    for (const one of [token, 'hunter2', given.trim()].filter(Boolean)) expect(done.stderr).not.toContain(one);
    expect(readdirSync(me.home)).toEqual([]);
  });

  test('reports an address that is not Fairlead’s', async () => {
    const done = await login(['--url', `${scene.api.url}/docs`]);
    expect(done).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is the address correct\?|\(not_found\)/),
    });
    const closed = await login(['--url', 'http://127.0.0.1:9']);
    expect(closed).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot be reached: ECONNREFUSED') });
    const asked = await me.run('fairlead', ['login', '--url', scene.api.url]);
    expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('--token-stdin') });
  });

  test('does not change a broken file, and warns when other users can read it', async () => {
    await login();
    const mine = readFileSync(me.configFile, 'utf8');
    chmodSync(me.configFile, 0o644);
    expect(await get()).toMatchObject({ code: 0, stderr: expect.stringContaining('chmod 600') });
    for (const broken of [
      mine.slice(0, -9),
      mine.replaceAll(scene.api.url, 'nowhere'),
      mine.replace('"prj_', '"../'),
    ]) {
      writeFileSync(me.configFile, broken);
      for (const done of [await login(), await get()]) {
        expect(done.code).toBe(1);
        expect(done.stdout + done.stderr).toMatch(/is not a valid login file/);
        expect(done.stdout + done.stderr).not.toContain(token.slice(0, 20));
      }
      expect(readFileSync(me.configFile, 'utf8')).toBe(broken);
    }
  });
});

describe('fairlead logout', () => {
  test('removes the login in use and its credentials, and no other', async () => {
    const other = await scene.project();
    await other.registry('registry.example.com');
    const theirs = await other.token();
    await login([], theirs);
    await get();
    await login();
    await get();
    expect(readdirSync(me.cacheFolder)).toHaveLength(2);
    const done = await me.run('fairlead', ['logout']);
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining(project.projectId) });
    expect(stored().logins).toMatchObject([{ project: other.projectId }]);
    expect(readdirSync(me.cacheFolder)).toHaveLength(1);
    expect((await me.run('fairlead', ['logout', '--all'])).code).toBe(0);
    expect(readdirSync(me.cacheFolder)).toEqual([]);
    expect((await me.run('fairlead', ['logout'])).stderr).toContain('No matching login');
  });
});

describe('fairlead', () => {
  test('shows its usage and its version', async () => {
    for (const args of [[], ['--help'], ['login', '--help']]) {
      expect((await me.run('fairlead', args)).stdout).toContain('FAIRLEAD_TOKEN');
    }
    expect((await me.run('fairlead', ['--version'])).stdout).toMatch(/^fairlead \d+\.\d+\.\d+\n$/);
    for (const args of [['nonsense'], ['__proto__'], ['logout', 'x'], ['configure-git', 'a.example', 'b.example']]) {
      expect((await me.run('fairlead', args)).code, args.join()).toBe(2);
    }
  });
});
