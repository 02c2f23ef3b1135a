import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { builtCommands } from '../support/programs/built-commands.ts';
import type { Somebody } from '../support/programs/commands.ts';
import { program } from '../support/programs/programs.ts';
import { type CommandsProject, type CommandsScene, commandsScene } from '../support/scenes/commands-scene.ts';

let scene: CommandsScene;
let project: CommandsProject;
let token: string;
let me: Somebody;

beforeAll(async () => {
  scene = await commandsScene();
  project = await scene.project();
  token = await project.token();
});
afterAll(() => scene?.stop());
beforeEach(() => {
  me = scene.person();
});

/** Runs a command at its own terminal, and types an answer after each question. */
function atTerminal(
  args: string[],
  answers: [question: RegExp, typed: string][],
): Promise<{ code: number; shown: string }> {
  const command = [path.join(builtCommands(), 'fairlead'), ...args].join(' ');
  const child: ChildProcess = spawn(program('script'), ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: me.env,
    cwd: me.home,
  });
  let shown = '';
  const open = [...answers];
  child.stdout?.on('data', (chunk: Buffer) => {
    shown += chunk;
    const [next] = open;
    if (!next?.[0].test(shown)) return;
    open.shift();
    // A person takes a moment to type. Before that the terminal would still show the input.
    setTimeout(() => child.stdin?.write(next[1]), 300);
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code: code ?? -1, shown })));
}

test('login asks for missing settings, and does not show the token', async () => {
  const done = await atTerminal(
    ['login'],
    [
      [/Address of Fairlead: /, `${scene.api.url}\r`],
      [/API token \(not shown\): /, `${token}\r`],
    ],
  );
  expect(done.code, done.shown).toBe(0);
  expect(done.shown).toContain('Logged in to');
  expect(done.shown).not.toContain(token.slice(4, 12));
  expect(readFileSync(me.configFile, 'utf8')).toContain(token);
});

test('login fails when nothing is entered', async () => {
  const done = await atTerminal(['login', '--url', scene.api.url], [[/not shown\): /, '\u0003']]);
  expect(done).toMatchObject({ code: 1, shown: expect.stringContaining('Nothing was entered') });
});

test('configure-docker asks before it writes', async () => {
  const file = me.file('.docker', 'config.json');
  const no = await atTerminal(['configure-docker', 'ghcr.io'], [[/Write these entries\? \[y\/N\] /, '\r']]);
  expect(no).toMatchObject({ code: 1, shown: expect.stringContaining('Nothing was written') });
  expect(() => readFileSync(file)).toThrow('ENOENT');
  const yes = await atTerminal(['configure-docker', 'ghcr.io'], [[/Write these entries\? \[y\/N\] /, 'y\r']]);
  expect(yes).toMatchObject({ code: 0, shown: expect.stringContaining('"ghcr.io": "fairlead"') });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ credHelpers: { 'ghcr.io': 'fairlead' } });
});
