import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
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
  test('stores a token that was checked, in a file that nobody else can read', async () => {
    const done = await login(['--app', project.appId], `${token}\n`);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toMatch(new RegExp(`as token:tok_\\w+, for the project Shop \\(${project.projectId}\\)`));
    expect(done.stdout).not.toContain(token);
    expect(stored().logins).toEqual([{ url: scene.api.url, project: project.projectId, app: project.appId, token }]);
    expect(statSync(me.configFile).mode & 0o777).toBe(0o600);
    expect(statSync(me.file('.config', 'fairlead')).mode & 0o777).toBe(0o700);
    expect(await get()).toMatchObject({ code: 0, stderr: '' });
  });

  test('an app’s own token is taken for what it is', async () => {
    const narrow = await project.token(undefined, true);
    expect(await login([], narrow)).toMatchObject({ code: 2, stderr: expect.stringContaining('--project') });
    const done = await login(['--project', project.projectId], narrow);
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('what the token was made for') });
  });

  test('may have the credentials of images push', async () => {
    await login(['--push']);
    scene.made.length = 0;
    await get();
    expect(scene.made).toMatchObject([{ purpose: 'push' }]);
  });

  test('keeps several, of which the last is used unless the environment says another', async () => {
    const other = await scene.project();
    await other.registry('other.example.com');
    await login();
    await login([], await other.token());
    await login();
    await login([], await other.token());
    expect(stored().logins.map((one) => one['project'])).toEqual([other.projectId, project.projectId]);
    expect((await get()).code).toBe(1);
    expect((await get({ FAIRLEAD_PROJECT: project.projectId })).code).toBe(0);
    // A stored token goes to no other address than the one that it was stored for.
    const away = await get({ FAIRLEAD_URL: 'http://127.0.0.1:9', FAIRLEAD_PROJECT: project.projectId });
    expect(away).toMatchObject({ code: 1, stdout: expect.stringContaining('Not logged in there') });
  });

  test.each([
    ['a token of nobody', async () => 'flt_of-nobody', [], /does not accept this token/],
    ['no token', async () => ' \n', [], /Standard input holds something that is no token/],
    ['two lines', async () => `${token}\nmore`, [], /no token/],
    ['a token that may not', async () => project.token(['builds:read']), [], /may not exchange credentials/],
    ['another project', async () => token, ['--project', `prj_${'0'.repeat(26)}`], /may not exchange credentials/],
    ['another app', async () => token, ['--app', `app_${'0'.repeat(26)}`], /reaches no app_0/],
    ['no id', async () => token, ['--project', 'shop'], /--project is no id/],
    ['no address', async () => token, ['--url', 'fairlead.example.com'], /--url is no address/],
    ['an argument', async () => token, ['flt_hunter2'], /takes no argument/],
    ['a token as an option', async () => token, ['--token=flt_hunter2'], /does not take --token that way: see/],
  ])('%s is refused, and nothing is stored', async (_, secret, args, said) => {
    const given = await secret();
    const done = await login(args, given);
    expect(done.code).toBeGreaterThan(0);
    expect(done).toMatchObject({ stdout: '', stderr: expect.stringMatching(said) });
    for (const one of [token, 'hunter2', given.trim()].filter(Boolean)) expect(done.stderr).not.toContain(one);
    expect(readdirSync(me.home)).toEqual([]);
  });

  test('is not taken in by something else at that address', async () => {
    const done = await login(['--url', `${scene.api.url}/docs`]);
    expect(done).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is that its address\?|There is no such thing/),
    });
    const closed = await login(['--url', 'http://127.0.0.1:9']);
    expect(closed).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot be reached: ECONNREFUSED') });
    const asked = await me.run('fairlead', ['login', '--url', scene.api.url]);
    expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('--token-stdin') });
  });

  test('leaves a file alone that it did not write, and tells of one that others can read', async () => {
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
        expect(done.stdout + done.stderr).toMatch(/is not as `fairlead login` writes it/);
        expect(done.stdout + done.stderr).not.toContain(token.slice(0, 20));
      }
      expect(readFileSync(me.configFile, 'utf8')).toBe(broken);
    }
  });
});

describe('fairlead logout', () => {
  test('forgets the login in use and what it was given, and no other', async () => {
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
    expect((await me.run('fairlead', ['logout'])).stderr).toContain('There is no such login');
  });
});

describe('fairlead', () => {
  test('shows how it is used, and its version', async () => {
    for (const args of [[], ['--help'], ['login', '--help']]) {
      expect((await me.run('fairlead', args)).stdout).toContain('FAIRLEAD_TOKEN');
    }
    expect((await me.run('fairlead', ['--version'])).stdout).toMatch(/^fairlead \d+\.\d+\.\d+\n$/);
    for (const args of [['nonsense'], ['__proto__'], ['logout', 'x'], ['configure-git', 'a.example', 'b.example']]) {
      expect((await me.run('fairlead', args)).code, args.join()).toBe(2);
    }
  });
});
