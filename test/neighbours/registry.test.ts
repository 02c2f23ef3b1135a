import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RegistryStandIn, startRegistry } from '../../stand-ins/registry/stand-in.ts';
import { type SignerUser, startTokenSigner, type TokenSigner } from '../support/fakes/token-signer.ts';
import { type DockerRegistry, startDockerRegistry, tlsFile } from '../support/programs/docker-registry.ts';
import { runProgram } from '../support/programs/processes.ts';
import { program } from '../support/programs/programs.ts';
import { manifestType, pullImage, pushImage } from '../support/programs/push-image.ts';
import { clientOf } from '../support/scenes/registry-provider.ts';

const all = ['pull', 'push'];
const alice = {
  username: 'alice',
  password: 's3cret',
  access: { 'team/app': all, 'team/other': all, 'team/new': all },
};
const bob = { username: 'bob', password: 'b0b', access: { 'team/app': ['pull'] } };
const robot = { username: 'robot$team+ci', password: `p$'"(:\n\\ü`, access: { 'team/app': all } };
const users: SignerUser[] = [alice, bob, robot];

const ok = { ok: true };
const refused = (code: string) => expect.objectContaining({ ok: false, code });
const loginOf = ({ username, password }: SignerUser) => ({ username, password });
const basic = ({ username, password }: SignerUser) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
const wants = { repositories: ['team/app'], purposes: ['pull', 'push'] as ('pull' | 'push')[] };
const verify = (registry: { url: string }, user: SignerUser, more: Partial<typeof wants> = {}) =>
  clientOf(registry, {}, [signer.settings.realm.replace('/token', '')]).verify({
    login: loginOf(user),
    ...wants,
    ...more,
  });
const mint = (registry: { url: string }, user: SignerUser, purpose: 'pull' | 'push') =>
  clientOf(registry, {}, [signer.settings.realm.replace('/token', '')]).mintBearer({
    login: loginOf(user),
    repositories: ['team/app'],
    purpose,
  });

let signer: TokenSigner;
let tokens: DockerRegistry;
let passwords: DockerRegistry;

beforeAll(async () => {
  signer = await startTokenSigner(users);
  tokens = await startDockerRegistry({ token: signer.settings });
  passwords = await startDockerRegistry({ htpasswd: users });
});
afterAll(async () => {
  await tokens?.end();
  await passwords?.end();
  await signer?.close();
});

describe('docker-registry with a token service', () => {
  test('proves pull and push separately, and leaves nothing on its disk', async () => {
    const before = tokens.stored();
    expect(await verify(tokens, alice)).toEqual({
      realm: new URL(signer.settings.realm).host,
      login: ok,
      repositories: [{ repository: 'team/app', pull: ok, push: ok }],
    });
    expect(await verify(tokens, bob, { repositories: ['team/app', 'team/other'] })).toMatchObject({
      login: ok,
      repositories: [
        { pull: ok, push: refused('push_denied') },
        { pull: refused('pull_denied'), push: refused('push_denied') },
      ],
    });
    expect(before).toEqual([]);
    expect(tokens.stored()).toEqual(before);
  });

  test('proves what is true: Alice pushes, and Bob pulls but cannot push', async () => {
    const pushing = await mint(tokens, alice, 'push');
    expect(pushing.effective).toEqual({
      repositories: ['team/app'],
      actions: ['pull', 'push'],
      narrowedTo: 'repository',
    });
    expect(await pushImage(tokens.url, 'team/app', 'v1', `Bearer ${pushing.token}`)).toBe(201);

    const pulling = await mint(tokens, bob, 'pull');
    expect(await pullImage(tokens.url, 'team/app', 'v1', `Bearer ${pulling.token}`)).toBe(200);
    expect(await pushImage(tokens.url, 'team/app', 'v2', `Bearer ${pulling.token}`)).toBe(401);
    await expect(mint(tokens, bob, 'push')).rejects.toMatchObject({ code: 'push_denied' });
  });

  test('limits a narrow token to its own repository', async () => {
    const { token } = await mint(tokens, alice, 'push');
    expect(await pushImage(tokens.url, 'team/other', 'v1', `Bearer ${token}`)).toBe(401);
    expect(await pullImage(tokens.url, 'team/other', 'v1', `Bearer ${token}`)).toBe(401);
  });

  test('proves a repository with images in the same way, and changes nothing in it', async () => {
    const before = tokens.stored();
    expect(before.length).toBeGreaterThan(0);
    expect(await verify(tokens, alice)).toMatchObject({ repositories: [{ pull: ok, push: ok }] });
    expect(await verify(tokens, bob)).toMatchObject({ repositories: [{ pull: ok, push: refused('push_denied') }] });
    expect(tokens.stored()).toEqual(before);
  });
});

describe('docker-registry with htpasswd', () => {
  test('lets every user with a password push, and leaves nothing on its disk', async () => {
    expect(await verify(passwords, bob)).toEqual({
      realm: undefined,
      login: ok,
      repositories: [{ repository: 'team/app', pull: ok, push: ok }],
    });
    expect(passwords.stored()).toEqual([]);
    await expect(mint(passwords, bob, 'pull')).rejects.toMatchObject({ code: 'bearer_unsupported' });
    expect(await pushImage(passwords.url, 'team/new', 'v1', basic(bob))).toBe(201);
  });
});

describe.each([
  ['a token service', () => tokens],
  ['htpasswd', () => passwords],
])('docker-registry with %s', (_, registry) => {
  test('reports a wrong password as such', async () => {
    const rejected = refused('credentials_rejected');
    expect(await verify(registry(), { ...alice, password: 's3cre' })).toMatchObject({
      login: rejected,
      repositories: [{ pull: rejected, push: rejected }],
    });
    expect((await verify(registry(), { ...alice, username: 'mallory' })).login).toEqual(rejected);
  });

  test('sends names and passwords with every special character unchanged', async () => {
    expect(await verify(registry(), robot)).toMatchObject({ login: ok, repositories: [{ pull: ok, push: ok }] });
    for (const password of [
      robot.password.replace('\n', ''),
      robot.password.trimEnd().slice(0, -1),
      robot.password.split('\n')[0],
    ]) {
      expect((await verify(registry(), { ...robot, password: String(password) })).login).toEqual(
        refused('credentials_rejected'),
      );
    }
  });
});

test('trusts the certificate of a private authority only for the integration that has it', async () => {
  const registry = await startDockerRegistry({ htpasswd: [alice] }, { tls: true });
  try {
    const given = { login: loginOf(alice), ...wants };
    const ca = readFileSync(tlsFile('loopback'), 'utf8');
    expect((await clientOf(registry, { ca }).verify(given)).login).toEqual(ok);
    expect((await clientOf(registry).verify(given)).login).toEqual(refused('tls_untrusted'));
  } finally {
    await registry.end();
  }
});

describe('the stand-in responds as the real registry does', () => {
  let standIn: RegistryStandIn;
  const patterns = (access: Record<string, string[]>) =>
    Object.entries(access).map(([repository, actions]) => ({ repository, actions: actions as ('pull' | 'push')[] }));
  beforeAll(async () => {
    const known = users.map(({ username, password, access }) => [username, { password, access: patterns(access) }]);
    standIn = await startRegistry({ users: Object.fromEntries(known) });
    const { token } = await clientOf(standIn).mintBearer({ login: loginOf(alice), ...wants, purpose: 'push' });
    expect(await pushImage(standIn.url, 'team/app', 'v1', `Bearer ${token}`)).toBe(201);
  });
  afterAll(() => standIn?.close());

  const id = '0c9f2ba1-5e0e-4a2c-9d0c-0f1f3c1f0a55';
  const requests: [string, string][] = [
    ['GET', '/v2/'],
    ['GET', '/v2/team/app/manifests/v1'],
    ['HEAD', '/v2/team/app/manifests/v1'],
    ['GET', '/v2/team/app/manifests/none'],
    ['GET', '/v2/team/other/manifests/v1'],
    ['GET', '/v2/team/app/tags/list'],
    ['PATCH', `/v2/team/app/blobs/uploads/${id}`],
    ['PATCH', `/v2/team/other/blobs/uploads/${id}`],
    ['PUT', `/v2/team/app/blobs/uploads/${id}?digest=sha256:${'0'.repeat(64)}`],
    ['GET', `/v2/team/app/blobs/sha256:${'0'.repeat(64)}`],
  ];
  type Asked = { url: string; authorization?: string };
  const ask = async ({ url, authorization }: Asked, [method, path]: [string, string]) => {
    const answer = await fetch(new URL(path, url), {
      method,
      headers: { accept: manifestType, ...(authorization && { authorization }) },
    });
    const text = await answer.text();
    const { errors = [] } =
      answer.status >= 400 && text !== '' ? (JSON.parse(text) as { errors?: { code: string }[] }) : {};
    // The real registry lists the actions in any order.
    const [, scope, actions] = /scope="([^"]*):([^":]*)"/.exec(answer.headers.get('www-authenticate') ?? '') ?? [];
    return [method, path, answer.status, errors.map(({ code }) => family(code)), scope, actions?.split(',').sort()];
  };
  /** Distribution itself uses both for an unknown upload. */
  const family = (code: string) => code.replace(/^BLOB_UPLOAD_.*/, 'BLOB_UPLOAD');

  test('copies an image out and back with skopeo and crane', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-clients-'));
    const auth = Buffer.from(`${alice.username}:${alice.password}`).toString('base64');
    const auths = Object.fromEntries([standIn, passwords].map(({ host }) => [host, { auth }]));
    const config = path.join(folder, 'config.json');
    writeFileSync(config, JSON.stringify({ auths }));
    // Without a token service: crane calls none on another port of a numeric address.
    const [there, back] = [`${passwords.host}/team/new:copied`, `${standIn.host}/team/new:back`];
    try {
      const plain = ['--src-tls-verify=false', '--dest-tls-verify=false', '--authfile', config];
      const copy = ['--insecure-policy', 'copy', ...plain, `docker://${standIn.host}/team/app:v1`, `docker://${there}`];
      expect(await runProgram(program('skopeo'), copy, {}).ended).toBe(0);
      const crane = runProgram(program('crane'), ['copy', '--insecure', there, back], { DOCKER_CONFIG: folder });
      expect([await crane.ended, crane.output()]).toEqual([0, expect.any(String)]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const tags = (name: string) => [...(standIn.images.repositories.get(name)?.tags ?? [])];
    expect(tags('team/new')).toEqual([['back', tags('team/app')[0]?.[1]]]);
  });

  test.each([
    ['nobody', undefined, undefined],
    ['Alice, to push', alice, 'push'],
    ['Alice, to pull', alice, 'pull'],
    ['Bob, to pull', bob, 'pull'],
  ] as const)('%s', async (_, user, purpose) => {
    const header = async (registry: { url: string }) =>
      user ? { authorization: `Bearer ${(await mint(registry, user, purpose)).token}` } : {};
    const real = { url: tokens.url, ...(await header(tokens)) };
    const ours = { url: standIn.url, ...(await header(standIn)) };
    for (const request of requests) expect(await ask(ours, request)).toEqual(await ask(real, request));
  });
});
