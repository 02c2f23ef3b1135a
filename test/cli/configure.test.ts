import { chmodSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Somebody } from '../support/programs/commands.ts';
import { program } from '../support/programs/programs.ts';
import { type CommandsProject, type CommandsScene, commandsScene } from '../support/scenes/commands-scene.ts';

let scene: CommandsScene;
let project: CommandsProject;
let me: Somebody;

beforeAll(async () => {
  scene = await commandsScene();
  project = await scene.project();
  await project.registry('ghcr.io');
  await project.registry('docker.io', 'dockerhub');
  await project.registry('registry.example.com:5000');
});
afterAll(() => scene?.stop());
beforeEach(() => {
  me = scene.person();
  mkdirSync(me.file('.docker'));
});

describe('fairlead configure-docker', () => {
  const configure = (args: string[] = [], more = {}) => me.run('fairlead', ['configure-docker', ...args], '', more);
  const read = () => JSON.parse(readFileSync(me.file('.docker', 'config.json'), 'utf8'));
  const write = (text: string) => writeFileSync(me.file('.docker', 'config.json'), text);

  test('adds the named hosts, shows them, and keeps all other settings', async () => {
    const before = {
      auths: { 'ghcr.io': { auth: 'dTpw' }, 'quay.io': {} },
      credsStore: 'desktop',
      credHelpers: { 'ghcr.io': 'ecr-login', '1.dkr.ecr.eu-west-1.amazonaws.com': 'ecr-login' },
      HttpHeaders: { 'X-Ü': '$"\\' },
      future: [1, { two: null }],
    };
    write(JSON.stringify(before));
    chmodSync(me.file('.docker', 'config.json'), 0o640);
    const done = await configure(['ghcr.io', 'https://REGISTRY.example.com/']);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toContain('"ghcr.io": "fairlead"   instead of "ecr-login"');
    expect(done.stdout).toContain('"registry.example.com": "fairlead"');
    const ours = { 'ghcr.io': 'fairlead', 'registry.example.com': 'fairlead' };
    expect(read()).toEqual({ ...before, credHelpers: { ...before.credHelpers, ...ours } });
    expect(Object.keys(read())).toEqual(Object.keys(before));
    expect(statSync(me.file('.docker', 'config.json')).mode & 0o777).toBe(0o640);
    expect((await configure(['ghcr.io'])).stdout).toContain('has all of these entries already');
  });

  test('adds the project’s registries when no host is named, and Docker Hub under all of its names', async () => {
    const env = { FAIRLEAD_URL: scene.api.url, FAIRLEAD_PROJECT: project.projectId };
    expect((await configure([], env)).stderr).toContain('FAIRLEAD_TOKEN');
    const done = await configure([], { ...env, FAIRLEAD_TOKEN: await project.token() });
    expect(done.code, done.stderr).toBe(0);
    expect(Object.keys(read().credHelpers).sort()).toEqual([
      'docker.io',
      'ghcr.io',
      'https://index.docker.io/v1/',
      'index.docker.io',
      'registry.example.com:5000',
    ]);
    expect(statSync(me.file('.docker', 'config.json')).mode & 0o777).toBe(0o600);
  });

  test.each([
    ['of one app', undefined, true],
    ['with one scope', ['credentials:exchange'] as const, false],
  ])('asks for the hosts if the token is one %s', async (_, scopes, narrow) => {
    const FAIRLEAD_TOKEN = await project.token(scopes && [...scopes], narrow);
    const done = await configure([], {
      FAIRLEAD_URL: scene.api.url,
      FAIRLEAD_PROJECT: project.projectId,
      FAIRLEAD_TOKEN,
    });
    expect(done).toMatchObject({ code: 1, stderr: expect.stringContaining('Name the hosts') });
    expect((await configure(['ghcr.io'], { FAIRLEAD_TOKEN })).code).toBe(0);
  });

  test.each(['{', '[]', '"x"', 'null', '{"credHelpers":[]}', '{"credHelpers":"x"}'])(
    'does not change the invalid file %s',
    async (text) => {
      write(text);
      const done = await configure(['ghcr.io']);
      expect(done).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('It was not changed') });
      expect(readFileSync(me.file('.docker', 'config.json'), 'utf8')).toBe(text);
    },
  );

  test.each(['ghcr.io/acme', 'http://docker.io', 'a b', '--', '.', '__proto__'])(
    'rejects %s as a host',
    async (host) => {
      expect((await configure([host])).code).toBeGreaterThan(0);
    },
  );

  test('follows a link in the folder that DOCKER_CONFIG names', async () => {
    const [folder, link] = [me.file('elsewhere'), me.file('elsewhere', 'config.json')];
    mkdirSync(folder);
    writeFileSync(me.file('real.json'), '{}');
    symlinkSync(me.file('real.json'), link);
    expect((await configure(['ghcr.io', '--yes'], { DOCKER_CONFIG: folder })).code).toBe(0);
    expect(readlinkSync(link)).toBe(me.file('real.json'));
    expect(JSON.parse(readFileSync(me.file('real.json'), 'utf8'))).toEqual({ credHelpers: { 'ghcr.io': 'fairlead' } });
  });
});

describe('fairlead configure-git', () => {
  const configure = (args: string[] = [], more = {}) => me.run('fairlead', ['configure-git', ...args], '', more);
  const git = async (name: string, url: string) => {
    const answer = await me.runOther(program('git'), ['config', '--global', '--get-urlmatch', name, url]);
    return answer.stdout.trim();
  };

  test('shows the lines and the file, and writes nothing', async () => {
    const done = await configure();
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toContain(
      '[credential "https://github.com"]\n\thelper =\n\thelper = fairlead\n\tuseHttpPath = true',
    );
    expect(await git('credential.helper', 'https://github.com/acme/shop')).toBe('');
  });

  test('appends the lines once, and git reads them as intended', async () => {
    writeFileSync(me.file('.gitconfig'), '[user]\n\tname = Ada');
    for (const _ of [1, 2]) await configure(['git.example.com', '--write']);
    await configure(['--write', 'http://127.0.0.1:8099/']);
    const text = readFileSync(me.file('.gitconfig'), 'utf8');
    expect(text.match(/helper = fairlead/g)).toHaveLength(2);
    expect(await git('user.name', 'https://git.example.com')).toBe('Ada');
    for (const url of ['https://git.example.com/a/b', 'http://127.0.0.1:8099/a/b']) {
      expect(await git('credential.helper', url), url).toBe('fairlead');
      expect(await git('credential.useHttpPath', url), url).toBe('true');
    }
    expect(await git('credential.helper', 'https://github.com/a/b')).toBe('');
  });

  test('writes the file that git reads', async () => {
    mkdirSync(me.file('.config', 'git'), { recursive: true });
    writeFileSync(me.file('.config', 'git', 'config'), '');
    await configure(['--write']);
    expect(await git('credential.helper', 'https://github.com/a/b')).toBe('fairlead');
    const elsewhere = { GIT_CONFIG_GLOBAL: me.file('other') };
    await configure(['--write'], elsewhere);
    expect(readFileSync(me.file('other'), 'utf8')).toContain('helper = fairlead');
  });

  test.each(['github.com/acme', 'ssh://github.com', 'x"]\n[core]', 'a b', 'user@github.com'])(
    'rejects %s as a host',
    async (host) => {
      expect(await configure([host, '--write'])).toMatchObject({ code: 2, stdout: '' });
    },
  );
});
