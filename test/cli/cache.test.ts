import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Somebody } from '../support/programs/commands.ts';
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
  scene.answer(async () => ({}));
  project = await scene.project();
  await project.registry();
  env = { FAIRLEAD_URL: scene.api.url, FAIRLEAD_PROJECT: project.projectId, FAIRLEAD_TOKEN: await project.token() };
  me = scene.person(env);
});

const run = (more = {}, who = me) => who.run('docker-credential-fairlead', ['get'], 'registry.example.com', more);
async function secret(more = {}, who = me): Promise<string> {
  const { code, stdout, stderr } = await run(more, who);
  expect(`${code} ${stderr}`, stdout).toBe('0 ');
  return JSON.parse(stdout).Secret;
}
const asked = async () => (await scene.database.reader('leases').where({ project_id: project.projectId })).length;
const files = () => readdirSync(me.cacheFolder).map((name) => path.join(me.cacheFolder, name));

/** Returns the environment of a process whose clock is ahead by this many seconds. */
function later(seconds: number): { NODE_OPTIONS: string } {
  const code = `const now = Date.now; Date.now = () => now() + ${seconds * 1000};`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
}

test('a cached credential is readable by its owner only, and is encrypted with the token', async () => {
  const password = await secret();
  const [file = '', ...others] = files();
  expect(others).toEqual([]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(me.cacheFolder).mode & 0o777).toBe(0o700);
  const text = readFileSync(file, 'utf8');
  expect(Object.keys(JSON.parse(text))).toEqual(['expires_at', 'sealed']);
  for (const part of [password, env['FAIRLEAD_TOKEN'] ?? '', 'robot', 'registry.example', project.projectId]) {
    expect(text + file).not.toContain(part);
    expect(Buffer.from(JSON.parse(text).sealed, 'base64').includes(part)).toBe(false);
  }
});

test('never returns a cached credential for another token, project, purpose, app or image', async () => {
  await secret();
  await secret();
  expect(await asked()).toBe(1);
  const another = { FAIRLEAD_TOKEN: await project.token() };
  const registry = await scene.database.reader('integrations').where({ project_id: project.projectId, kind: 'oci' });
  await scene.api.as(another.FAIRLEAD_TOKEN).ask('PUT', `/v1/apps/${project.appId}/registry`, {
    integration_id: registry[0]?.id,
    image_repository: 'acme/shop',
  });
  const others = [
    another,
    { FAIRLEAD_PURPOSE: 'push' },
    { FAIRLEAD_APP: project.appId },
    { FAIRLEAD_REPOSITORIES: 'acme/base' },
  ];
  for (const [index, one] of others.entries()) {
    await secret(one);
    await secret(one);
    expect(await asked(), JSON.stringify(one)).toBe(2 + index);
  }
  const elsewhere = await scene.project();
  await elsewhere.registry();
  const theirs = { FAIRLEAD_PROJECT: elsewhere.projectId };
  expect(await run(theirs)).toMatchObject({ code: 1 });
  expect(files()).toHaveLength(5);
});

test('does not cache a credential that expires within five minutes, and removes expired ones', async () => {
  scene.answer(async () => ({ expiresAt: Date.now() + 299_000 }));
  await secret();
  await secret();
  expect(await asked()).toBe(2);
  expect(existsSync(me.cacheFolder)).toBe(false);

  scene.answer(async () => ({ expiresAt: Date.now() + 600_000 }));
  const short = { FAIRLEAD_REPOSITORIES: 'a/b' };
  await secret(short);
  await secret({ ...short, ...later(100) });
  expect(await asked()).toBe(3);
  await secret({ ...short, ...later(301) });
  expect(await asked()).toBe(4);

  const [dead, draft] = [path.join(me.cacheFolder, 'dead.json'), path.join(me.cacheFolder, 'x.json.abc.tmp')];
  writeFileSync(dead, '{"expires_at":1,"sealed":""}');
  writeFileSync(draft, '');
  utimesSync(draft, 1, 1);
  scene.answer(async () => ({}));
  await secret({ FAIRLEAD_REPOSITORIES: 'c/d' });
  expect(files().filter((file) => [dead, draft].includes(file))).toEqual([]);
});

test.each([
  ['is cut short', (text: string) => text.slice(0, 40)],
  ['is empty', () => ''],
  ['is not an object', () => 'null'],
  ['was changed', (text: string) => text.replace(/"sealed":"(.)/, (_, one) => `"sealed":"${one === 'A' ? 'B' : 'A'}`)],
  ['has too little ciphertext', () => '{"expires_at":99999999999,"sealed":"AAAA"}'],
])('ignores a cache file that %s', async (_, change) => {
  const password = await secret();
  const [file = ''] = files();
  writeFileSync(file, change(readFileSync(file, 'utf8')));
  expect(await secret()).toBe(password);
  expect(await asked()).toBe(2);
  await secret();
  expect(await asked()).toBe(2);
});

test('does not decrypt a cache file that was copied to another name', async () => {
  await secret();
  const [file = ''] = files();
  const kept = readFileSync(file, 'utf8');
  await secret({ FAIRLEAD_PURPOSE: 'push' });
  for (const one of files()) writeFileSync(one, kept);
  const before = scene.made.length;
  await secret({ FAIRLEAD_PURPOSE: 'push' });
  expect(await asked()).toBe(3);
  expect(scene.made.slice(before).every(({ purpose }) => purpose === 'push')).toBe(true);
});

test('works without a cache when the folder cannot be written', async () => {
  mkdirSync(path.dirname(me.cacheFolder), { recursive: true });
  writeFileSync(me.cacheFolder, 'in the way');
  await secret();
  await secret();
  expect(await asked()).toBe(2);
  rmSync(me.cacheFolder);
  chmodSync(path.dirname(me.cacheFolder), 0o700);
  await secret();
  expect(files()).toHaveLength(1);
});

test('twenty processes at once get the credential, with one upstream call and one complete file', {
  timeout: 120_000,
}, async () => {
  scene.made.length = 0;
  const all = await Promise.all(Array.from({ length: 20 }, () => secret()));
  expect(new Set(all).size).toBe(1);
  expect(scene.made).toHaveLength(1);
  expect(files()).toHaveLength(1);
  const before = await asked();
  expect(await secret()).toBe(all[0]);
  expect(await asked()).toBe(before);
});
