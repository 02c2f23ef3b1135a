import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTokenSigner, type TokenSigner } from '../support/fakes/token-signer.ts';
import type { Somebody } from '../support/programs/commands.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/programs/docker-registry.ts';
import { type GitServer, startGitServer } from '../support/programs/git-server.ts';
import { program } from '../support/programs/programs.ts';
import { pushImage } from '../support/programs/push-image.ts';
import { type CommandsProject, type CommandsScene, commandsScene } from '../support/scenes/commands-scene.ts';

const robot = { username: 'robot$team+ci', password: `p$'"(:\n\\ü` };

let scene: CommandsScene;
let registry: DockerRegistry;
let git: GitServer;
let project: CommandsProject;
let env: Record<string, string>;
let me: Somebody;
/** Tokens that the Git host no longer accepts. */
const revoked = new Set<string>();

beforeAll(async () => {
  scene = await commandsScene();
  registry = await startDockerRegistry({ htpasswd: [robot] });
  git = await startGitServer(async ({ username, password }, name) => {
    const token = scene.minted.find(({ token }) => token === password);
    const [repository] = await scene.database.reader('repositories').where({ full_name: name });
    const reaches = repository && token?.repositoryIds.includes(Number(repository.external_id));
    return username === 'x-access-token' && Boolean(reaches) && !revoked.has(password);
  });
  for (const name of ['acme/shop', 'acme/lib', 'acme/secret']) git.addRepository(name);
  scene.answer(async () => robot);
});
afterAll(async () => {
  await registry?.end();
  await git?.close();
  await scene?.stop();
});

beforeEach(async () => {
  scene.made.length = 0;
  scene.minted.length = 0;
  await scene.database.write((trx) => trx('repositories').update({ full_name: 'of/another-test' }));
  project = await scene.project(git.url);
  await project.addRepository('lib');
  await project.registry(registry.host);
  env = { FAIRLEAD_URL: scene.api.url, FAIRLEAD_PROJECT: project.projectId };
  me = scene.person(env);
  const login = await me.run('fairlead', ['login', '--token-stdin'], await project.token());
  expect(login, login.stderr).toMatchObject({ code: 0 });
});

const leases = async () => (await scene.database.reader('leases').where({ project_id: project.projectId })).length;
const use = (name: string, args: string[], input = '', more = {}) => me.runOther(program(name), args, input, more);
async function works(name: string, args: string[], input = '', more = {}): Promise<string> {
  const { code, stdout, stderr } = await use(name, args, input, more);
  expect(code, `${name} ${args.join(' ')}: ${stdout}${stderr}`).toBe(0);
  return stdout;
}

describe('with docker-registry behind a password', () => {
  beforeEach(async () => {
    expect((await me.run('fairlead', ['configure-docker', registry.host])).code).toBe(0);
  });

  const push = { FAIRLEAD_PURPOSE: 'push' };
  const image = (tag: string) => `${registry.host}/team/app:${tag}`;

  /** Pushes an image of one small file. */
  async function pushed(tag: string): Promise<void> {
    mkdirSync(me.file('layer'), { recursive: true });
    writeFileSync(me.file('layer', 'hello'), tag);
    execFileSync('tar', ['-cf', me.file('layer.tar'), '-C', me.file('layer'), 'hello']);
    await works('crane', ['append', '--new_layer', me.file('layer.tar'), '--new_tag', image(tag)], '', push);
  }

  test('crane pushes and pulls, with one exchange for each purpose', async () => {
    await pushed('crane');
    await works('crane', ['pull', image('crane'), me.file('image.tar')]);
    await works('crane', ['digest', image('crane')]);
    expect(await works('crane', ['ls', `${registry.host}/team/app`])).toContain('crane');
    expect(scene.made.map(({ purpose }) => purpose)).toEqual(['push', 'pull']);
    expect(await leases()).toBe(2);
  });

  test('skopeo inspects and copies', async () => {
    await pushed('skopeo');
    const authfile = ['--authfile', me.file('.docker', 'config.json')];
    const source = `docker://${image('skopeo')}`;
    const shown = await works('skopeo', ['inspect', ...authfile, '--tls-verify=false', '--raw', source]);
    expect(JSON.parse(shown).layers).toHaveLength(1);
    const both = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    await works(
      'skopeo',
      ['copy', '--insecure-policy', ...authfile, ...both, source, `docker://${image('copy')}`],
      '',
      push,
    );
    expect(await works('crane', ['digest', image('copy')])).toBe(await works('crane', ['digest', image('skopeo')]));
  });

  test('docker reads a manifest, and logs in with an exchanged credential', async () => {
    await pushed('docker');
    const shown = await works('docker', ['manifest', 'inspect', '--insecure', image('docker')]);
    expect(JSON.parse(shown).layers).toHaveLength(1);

    const { Username, Secret } = JSON.parse(
      (await me.run('docker-credential-fairlead', ['get'], registry.host)).stdout,
    );
    const apart = { DOCKER_CONFIG: me.file('apart') };
    const login = ['login', registry.host, '--username', Username, '--password-stdin'];
    expect(await works('docker', login, Secret, apart)).toContain('Login Succeeded');
    expect((await use('docker', login, 'not-that', apart)).code).toBe(1);
    // With the helper, docker stores no credential.
    expect(await works('docker', login, Secret)).toContain('Login Succeeded');
    const config = JSON.parse(readFileSync(me.file('.docker', 'config.json'), 'utf8'));
    expect(config).toEqual({ auths: { [registry.host]: {} }, credHelpers: { [registry.host]: 'fairlead' } });
    await works('docker', ['manifest', 'inspect', '--insecure', image('docker')]);
  });

  test('without a login nothing is returned, and the message says why', async () => {
    await me.run('fairlead', ['logout']);
    const crane = await use('crane', ['digest', image('crane')]);
    expect(crane.code).toBe(1);
    const docker = await use('docker', ['manifest', 'inspect', '--insecure', image('docker')]);
    expect(docker.code).toBe(1);
    expect(crane.stderr + docker.stderr).toContain('fairlead login');
    expect(scene.made).toEqual([]);
  });
});

describe('with docker-registry behind a token service', () => {
  let signer: TokenSigner;
  let tokens: DockerRegistry;

  beforeAll(async () => {
    signer = await startTokenSigner([{ ...robot, access: { 'team/app': ['pull', 'push'] } }]);
    tokens = await startDockerRegistry({ token: signer.settings });
    const basic = Buffer.from(`${robot.username}:${robot.password}`).toString('base64');
    const scope = 'repository:team/app:pull,push';
    const asked = await fetch(`${signer.settings.realm}?scope=${scope}`, {
      headers: { authorization: `Basic ${basic}` },
    });
    const { token } = (await asked.json()) as { token: string };
    expect(await pushImage(tokens.url, 'team/app', 'v1', `Bearer ${token}`)).toBe(201);
  });
  afterAll(async () => {
    await tokens?.end();
    await signer?.close();
  });

  test('skopeo and docker send the helper’s credential to the token service', async () => {
    const args = ['--tls-verify=false', '--raw', `docker://${tokens.host}/team/app:v1`];
    expect((await use('skopeo', ['inspect', ...args])).code).toBe(1);
    await project.registry(tokens.host);
    expect((await me.run('fairlead', ['configure-docker'], '', {})).stdout).toContain(tokens.host);
    const authfile = ['--authfile', me.file('.docker', 'config.json')];
    const shown = await works('skopeo', ['inspect', ...authfile, ...args]);
    expect(JSON.parse(shown).schemaVersion).toBe(2);
    await works('docker', ['manifest', 'inspect', '--insecure', `${tokens.host}/team/app:v1`]);
    expect(await leases()).toBe(1);
  });
});

describe('with a Git host', () => {
  beforeEach(async () => {
    expect((await me.run('fairlead', ['configure-git', git.url, '--write'])).code).toBe(0);
  });

  const quiet = { GIT_TERMINAL_PROMPT: '0' };
  const clone = (name: string, into: string) =>
    use('git', ['clone', `${git.url}/${name}.git`, me.file(into)], '', quiet);

  test('clones and fetches with a token for this one repository', async () => {
    for (const into of ['one', 'two']) {
      const done = await clone('acme/shop', into);
      expect(done.code, done.stderr).toBe(0);
      expect(readFileSync(me.file(into, 'README'), 'utf8')).toBe('acme/shop');
    }
    await works('git', ['-C', me.file('one'), 'fetch', '--quiet'], '', quiet);
    expect(await leases()).toBe(1);
    expect((await clone('acme/lib', 'lib')).code).toBe(0);
    expect(scene.minted.map(({ repositoryIds }) => repositoryIds.length)).toEqual([1, 1]);
    expect(await leases()).toBe(2);
    // No file of git contains the token.
    const config = readFileSync(me.file('one', '.git', 'config'), 'utf8') + readFileSync(me.file('.gitconfig'), 'utf8');
    for (const { token } of scene.minted) expect(config).not.toContain(token);
  });

  test('git gets no token for another repository, and says why', async () => {
    const done = await clone('acme/secret', 'secret');
    expect(done.code).toBe(128);
    expect(done.stderr).toContain('has no access to acme/secret');
    expect(scene.minted).toEqual([]);
  });

  test('removes a refused token from the cache', async () => {
    expect((await clone('acme/shop', 'one')).code).toBe(0);
    expect(readdirSync(me.cacheFolder)).toHaveLength(1);
    revoked.add(scene.minted[0]?.token ?? '');
    expect((await clone('acme/shop', 'two')).code).toBe(128);
    expect(readdirSync(me.cacheFolder)).toEqual([]);
  });
});
