import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { builtCommands } from '../support/programs/built-commands.ts';
import { commandsFolder, type Somebody, somebody } from '../support/programs/commands.ts';

const people: Somebody[] = [];
afterAll(() => {
  for (const one of people) one.leave();
});
function person(bin?: string): Somebody {
  const one = somebody({}, bin);
  people.push(one);
  return one;
}

const names = ['fairlead', 'docker-credential-fairlead', 'git-credential-fairlead'] as const;
const version = new RegExp(`fairlead ${packageJson.version}\n$`);
const askVersion = {
  fairlead: '--version',
  'docker-credential-fairlead': 'version',
  'git-credential-fairlead': '--version',
};

test('the commands run from their sources, from any folder', async () => {
  const me = person(commandsFolder);
  for (const name of names) {
    expect(await me.run(name, [askVersion[name]]), name).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(version),
    });
  }
});

test('the built commands need only Node, also through links on the PATH', async () => {
  const me = person();
  const [there, bin] = [me.file('opt', 'fairlead'), me.file('bin')];
  const built = path.join(builtCommands(), '..', '..');
  for (const part of ['package.json', 'cli', 'domain'])
    cpSync(path.join(built, part), path.join(there, part), { recursive: true });
  mkdirSync(bin);
  for (const name of names) {
    expect(packageJson.bin[name]).toBe(`dist/cli/bin/${name}`);
    symlinkSync(path.join(there, 'cli', 'bin', name), path.join(bin, name));
    const done = await me.runOther(path.join(bin, name), [askVersion[name]]);
    expect(done, name).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(version) });
  }
  const asked = await me.runOther(path.join(bin, 'docker-credential-fairlead'), ['get'], 'ghcr.io');
  expect(asked).toMatchObject({ code: 1, stdout: expect.stringContaining('fairlead login'), stderr: '' });
});
