import { homedir } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { CliFailure } from './failure.ts';
import type { World } from './world.ts';

const inputLimit = 64 * 1024;

/** The process as it is. The environment comes from whoever starts us. */
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
    if (length > inputLimit) throw new CliFailure('There is more on standard input than this takes.');
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Questions go to standard error, so that standard output stays the command's. */
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
