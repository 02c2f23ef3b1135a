import { redact } from './domain/redact.ts';

/** Something that was started and can be stopped in good order. */
export type Running = { stop(): Promise<void> };

/** Errors whose message is a sentence for the person who started the process; anything else shows where it happened. */
const told = ['ConfigError', 'SealError', 'StoreError', 'ListenError', 'TemporalServerError', 'TemporalUnreachable'];

/**
 * Runs a process until SIGINT or SIGTERM, then stops it; a second signal, or `limitMs`, ends it at once. What
 * prevents the start is one sentence on stderr and exit code 1.
 */
export async function run(start: () => Promise<Running>, limitMs = 30_000): Promise<void> {
  let running: Running | undefined;
  let stopping = false;

  function stop(signal: NodeJS.Signals): void {
    if (stopping) process.exit(signal === 'SIGINT' ? 130 : 143);
    stopping = true;
    setTimeout(() => {
      console.error(`fairlead: not everything stopped within ${limitMs / 1000} s`);
      process.exit(1);
    }, limitMs).unref();
    if (running) finish(running);
  }

  function finish(process_: Running): void {
    process_.stop().then(
      () => process.exit(0),
      (error) => fail(error),
    );
  }

  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    running = await start();
    if (stopping) finish(running);
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): never {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  console.error(`fairlead: ${redact(told.includes(name) ? message : (stack ?? message))}`);
  process.exit(1);
}
