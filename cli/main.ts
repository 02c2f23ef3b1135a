import { dockerCredentials } from './docker-credentials.ts';
import { CliFailure, sentenceOf } from './failure.ts';
import { fairlead } from './fairlead.ts';
import { gitCredentials } from './git-credentials.ts';
import { processWorld } from './terminal.ts';
import type { World } from './world.ts';

const commands: Record<string, (world: World) => Promise<number>> = {
  fairlead,
  'docker-credential-fairlead': dockerCredentials,
  'git-credential-fairlead': gitCredentials,
};

/** Runs one of the commands in this process. A failure prints one message, and sets an exit code other than 0. */
export async function main(name: string, args: string[], env: Record<string, string | undefined>): Promise<void> {
  // The reader of a pipe might close it early.
  process.stdout.on('error', () => {});
  try {
    process.exitCode = (await commands[name]?.(processWorld(args, env))) ?? 2;
  } catch (error) {
    process.stderr.write(`fairlead: ${sentenceOf(error)}\n`);
    process.exitCode = error instanceof CliFailure ? error.exitCode : 1;
  }
}
