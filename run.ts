import { redact } from './domain/secrets/redact.ts';

/** Something that was started and can be stopped cleanly. */
export type Running = {
  stop(): Promise<void>;
  /** How long a stop may take, if it is not the usual time. */
  stopLimitMs?: number | undefined;
};

const usualLimitMs = 30_000;

/** Errors whose message is for the person who started the process. Other errors show their stack. */
const told = ['ConfigError', 'SealError', 'UnreadableSecret', 'StoreError', 'ListenError', 'TemporalServerError'];

/** npm forwards the signal that a terminal’s Ctrl-C has sent to all processes already. Two signals this close count as one. */
const echoMs = 1_000;

/**
 * Runs a process until SIGINT or SIGTERM, then stops it. A second signal, or a stop that takes too long, ends it at once.
 * A failed start prints one message on stderr, and exits with code 1.
 */
export async function run(start: () => Promise<Running>): Promise<void> {
  // No other user may read the files that this process and its children create: databases, keys and logs.
  process.umask(0o077);
  let running: Running | undefined;
  let stoppingSince: number | undefined;
  let timer: NodeJS.Timeout | undefined;

  function stop(signal: NodeJS.Signals): void {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > echoMs) process.exit(signal === 'SIGINT' ? 130 : 143);
      return;
    }
    stoppingSince = performance.now();
    limit(usualLimitMs);
    if (running) finish(running);
  }

  function limit(limitMs: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => {
      console.error(`fairlead: not everything stopped within ${limitMs / 1000} s`);
      process.exit(1);
    }, limitMs).unref();
  }

  function finish(process_: Running): void {
    limit(process_.stopLimitMs ?? usualLimitMs);
    process_.stop().then(
      () => process.exit(process.exitCode ?? 0),
      (error) => fail(error),
    );
  }

  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    running = await start();
    if (stoppingSince !== undefined) finish(running);
  } catch (error) {
    fail(error);
  }
}

function fail(error: unknown): never {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  console.error(`fairlead: ${redact(told.includes(name) ? message : (stack ?? message))}`);
  process.exit(1);
}
