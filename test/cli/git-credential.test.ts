import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Somebody } from '../support/programs/commands.ts';
import { type CommandsProject, type CommandsScene, commandsScene } from '../support/scenes/commands-scene.ts';

let scene: CommandsScene;
let project: CommandsProject;
let env: Record<string, string>;
let me: Somebody;

beforeAll(async () => {
  scene = await commandsScene();
  project = await scene.project();
  await project.addRepository('lib');
  env = { FAIRLEAD_URL: scene.api.url, FAIRLEAD_PROJECT: project.projectId, FAIRLEAD_TOKEN: await project.token() };
});
afterAll(() => scene?.stop());

beforeEach(() => {
  scene.minted.length = 0;
  me = scene.person(env);
});

const ask = (input: string, more = {}, action = 'get') => me.run('git-credential-fairlead', [action], input, more);
const asked = (changes: Record<string, string> = {}) =>
  Object.entries({ protocol: 'https', host: 'github.com', path: 'acme/shop.git', ...changes })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
const nothing = { code: 0, stdout: '', stderr: '' };

async function given(input = asked(), more = {}) {
  const { code, stdout, stderr } = await ask(input, more);
  expect(`${code} ${stderr}`, stdout).toBe('0 ');
  return new Map(stdout.split('\n').map((line) => line.split('=') as [string, string]));
}

describe('get', () => {
  test('returns a token for this repository only, with its expiry', async () => {
    const answer = await given();
    expect([...answer.keys()]).toEqual(['username', 'password', 'password_expiry_utc', '']);
    expect(answer.get('username')).toBe('x-access-token');
    expect(answer.get('password')).toBe(scene.minted[0]?.token);
    expect(scene.minted[0]?.repositoryIds).toHaveLength(1);
    const left = Number(answer.get('password_expiry_utc')) - Date.now() / 1000;
    expect(left).toBeGreaterThan(3_500);
    expect(left).toBeLessThan(3_601);
  });

  test('returns the same token until it is erased, and a different one for another repository', async () => {
    const leases = () => scene.database.reader('leases').where({ project_id: project.projectId });
    const before = (await leases()).length;
    const password = (await given()).get('password') ?? '';
    expect((await given(asked({ path: 'acme/shop' }))).get('password')).toBe(password);
    expect(await leases()).toHaveLength(before + 1);
    expect((await given(asked({ path: 'acme/lib.git' }))).get('password')).not.toBe(password);

    // Git names the refused password. One that is not in the cache erases nothing.
    await ask(asked({ password: 'of-somebody-else' }), {}, 'erase');
    await given();
    expect(await leases()).toHaveLength(before + 2);
    expect(await ask(asked({ password }), {}, 'erase')).toEqual(nothing);
    await given();
    expect(await leases()).toHaveLength(before + 3);
  });

  test('returns the repository’s token for its wiki', async () => {
    const password = (await given()).get('password');
    const wiki = await given(asked({ path: 'acme/shop.wiki.git' }));
    expect(wiki.get('password')).toBe(password);
  });

  test('without a path uses the app, and without both says what is missing', async () => {
    const app = { FAIRLEAD_APP: project.appId };
    expect((await given('protocol=https\nhost=github.com\n\n', app)).get('username')).toBe('x-access-token');
    const answer = await ask('protocol=https\nhost=github.com\n');
    expect(answer).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('useHttpPath') });
  });

  test('accepts the additional lines that git and git-lfs send', async () => {
    const more =
      'capability[]=authtype\nwwwauth[]=Basic realm="x"\nusername=bob\nno-value\n=nothing\n\nhost=evil.example';
    expect((await given(`host=evil.example\n${asked()}${more}`)).get('username')).toBe('x-access-token');
    const lfs = asked({ path: 'acme/shop.git/info/lfs/objects/batch' }).replaceAll('\n', '\r\n');
    expect((await given(lfs)).get('username')).toBe('x-access-token');
    expect((await given(asked({ host: 'GitHub.com:443' }))).get('username')).toBe('x-access-token');
  });

  test.each([
    ['another host', { host: 'gitlab.com' }],
    ['plain HTTP to a host that uses TLS', { protocol: 'http' }],
    ['another protocol', { protocol: 'ssh' }],
    ['another port', { host: 'github.com:8443' }],
    ['a user in the host', { host: 'github.com@evil.example' }],
    ['a user in front of it', { host: 'evil.example@github.com' }],
    ['a fragment', { host: 'github.com#.evil.example' }],
    ['a query', { host: 'github.com?.evil.example' }],
    ['a backslash', { host: 'github.com\\.evil.example' }],
    ['a path', { host: 'github.com/.evil.example' }],
    ['a percent', { host: 'gith%75b.com' }],
    ['another alphabet', { host: 'ｇithub.com' }],
    ['a trailing dot', { host: 'github.com.' }],
    ['no host', { host: '' }],
    ['an address as a number', { host: '2130706433' }],
    ['a file', { protocol: 'file', host: '' }],
  ])('leaves %s to the next helper', async (_, changes) => {
    expect(await ask(asked(changes))).toEqual(nothing);
    expect(scene.minted).toEqual([]);
  });

  test.each([
    ['a repository without access', 'acme/secret.git', /has no access to acme\/secret/],
    ['a path with dots', '../../v1/tokens', /did not name the repository/],
    ['a path that names no repository', 'acme', /did not name the repository/],
    ['a line break', 'acme/sh\u0085op', /did not name the repository/],
  ])('rejects %s with a message', async (_, path, said) => {
    const answer = await ask(asked({ path }));
    expect(answer).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(said) });
    expect(scene.minted).toEqual([]);
  });

  test('never returns an app’s own token for another host', async () => {
    const narrow = { FAIRLEAD_TOKEN: await project.token(undefined, true), FAIRLEAD_APP: project.appId };
    expect(await ask(asked({ host: 'evil.example' }), narrow)).toEqual(nothing);
    expect((await given(asked(), narrow)).get('username')).toBe('x-access-token');
  });
});

describe('other actions', () => {
  test('store and unknown actions do nothing', async () => {
    for (const action of ['store', 'approve', 'capability', '__proto__']) {
      expect(await ask(asked({ password: 'hunter2' }), {}, action), action).toEqual(nothing);
    }
    expect(await me.run('git-credential-fairlead', [])).toMatchObject({ code: 2, stderr: /usage/ });
  });

  test('without a login says so, and git continues', async () => {
    const nobody = scene.person();
    const answer = await nobody.run('git-credential-fairlead', ['get'], asked());
    expect(answer).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('fairlead login') });
    expect(await nobody.run('git-credential-fairlead', ['get'], 'nonsense')).toEqual(nothing);
  });
});
