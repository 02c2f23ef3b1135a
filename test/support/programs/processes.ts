import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..', '..');

export type Program = {
  pid: number;
  /** Everything that the process has written, both streams. */
  output(): string;
  /** Waits for a line of its output. Fails with the output if the process ends first. */
  line(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Sends the signal and waits for the end. Returns the exit code, or the signal that ended it. */
  end(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
  ended: Promise<number | NodeJS.Signals | null>;
};

/** Runs a program of this checkout with exactly this environment, plus PATH and HOME. */
export function runProgram(command: string, args: string[], env: Record<string, string>): Program {
  const { PATH = '', HOME = '' } = process.env;
  const child: ChildProcess = spawn(command, args, {
    cwd: root,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      text += chunk;
      for (const look of waiting) look();
    });
  }
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
  return {
    pid: child.pid ?? 0,
    output: () => text,
    ended,
    line(pattern, timeoutMs = 60_000) {
      return new Promise((resolve, reject) => {
        const give = (error: Error) => {
          waiting.delete(look);
          clearTimeout(timer);
          reject(error);
        };
        const look = () => {
          const found = pattern.exec(text);
          if (!found) return;
          waiting.delete(look);
          clearTimeout(timer);
          resolve(found);
        };
        const timer = setTimeout(() => give(new Error(`No line ${pattern} in time:\n${text}`)), timeoutMs);
        waiting.add(look);
        ended.then((code) => give(new Error(`It ended (${code}) before ${pattern}:\n${text}`))).catch(() => {});
        look();
      });
    },
    async end(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
}

/** A process of the product from its sources, started as `npm run <name>` does. */
export function runFairlead(
  main: 'start.ts' | 'api/main.ts' | 'worker/main.ts' | 'db/main.ts',
  env: Record<string, string>,
) {
  return runProgram(process.execPath, ['--disable-proto=throw', '--import', 'tsx', main], env);
}

/** The kernel takes ports for outgoing connections and for port 0 from 32768 on. */
const [firstPort, lastPort] = [15_000, 32_000];

/** Returns a port on which nothing listens, and which the kernel gives to nobody else until it is used. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(firstPort, lastPort);
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
