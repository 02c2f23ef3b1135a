import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtCommands } from './built-commands.ts';

export type CommandName = 'fairlead' | 'docker-credential-fairlead' | 'git-credential-fairlead';
export type Ended = { code: number | null; stdout: string; stderr: string };

/** The commands of this checkout, run from their sources. */
export const commandsFolder = fileURLToPath(new URL('../../../cli/bin', import.meta.url));

/** A person's home folder. Commands run there with only PATH of this process's environment. */
export function somebody(env: Record<string, string> = {}, bin = builtCommands()) {
  const home = mkdtempSync(path.join(tmpdir(), 'fairlead-home-'));
  const { PATH = '' } = process.env;
  const theirs = { PATH: `${bin}${path.delimiter}${PATH}`, HOME: home, ...env };
  return {
    home,
    file: (...parts: string[]) => path.join(home, ...parts),
    configFile: path.join(home, '.config', 'fairlead', 'config.json'),
    cacheFolder: path.join(home, '.cache', 'fairlead', 'credentials'),
    env: theirs,
    run: (name: CommandName, args: string[], input = '', more: Record<string, string> = {}) =>
      runCommand(path.join(bin, name), args, { input, env: { ...theirs, ...more }, cwd: home }),
    /** Another program, started by this person. */
    runOther: (file: string, args: string[], input = '', more: Record<string, string> = {}) =>
      runCommand(file, args, { input, env: { ...theirs, ...more }, cwd: home }),
    leave: () => rmSync(home, { recursive: true, force: true }),
  };
}

export type Somebody = ReturnType<typeof somebody>;

type How = { input: string; env: Record<string, string>; cwd: string };

function runCommand(file: string, args: string[], { input, env, cwd }: How): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, cwd });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
    // It may exit without reading its input.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
