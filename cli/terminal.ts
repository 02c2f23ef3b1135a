import { homedir } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { CliFailure } from './failure.ts';
import type { World } from './world.ts';

const inputLimit = 64 * 1024;

/** Returns this process as a `World`. The caller passes the environment. */
export function processWorld(args: string[], env: Record<string, string | undefined>): World {
  return {
    args,
    env,
    home: homedir(),
    input: readInput,
    ask,
    hasTerminal: Boolean(process.stdin.isTTY && process.stderr.isTTY),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  };
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    length += chunk.length;
    if (length > inputLimit) throw new CliFailure('Standard input is too long.');
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Writes questions to standard error, so that standard output contains only the command’s result. */
async function ask(question: string, { secret = false } = {}): Promise<string> {
  const hidden = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: secret ? hidden : process.stderr, terminal: true });
  const stopped = new Promise<never>((_, reject) => {
    lines.once('close', () => reject(new CliFailure('Nothing was entered.')));
  });
  try {
    if (secret) process.stderr.write(question);
    return (await Promise.race([lines.question(secret ? '' : question), stopped])).trim();
  } finally {
    stopped.catch(() => {});
    lines.close();
    if (secret) process.stderr.write('\n');
  }
}
