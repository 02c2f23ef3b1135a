import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';
import { NativeConnection, type WorkerOptions } from '@temporalio/worker';
import type { TemporalSettings } from '../config.ts';
import type { Logger } from '../log.ts';
import { type RunningWorker, runWorker } from './run-worker.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { waitForTemporal } from './temporal-client.ts';

/** How long one attempt waits for a response, and the pause before the next one. */
const attemptMs = 15_000;
const pauseMs = 1_000;
/** How often the log repeats why there is no connection. */
const repeatMs = 60_000;

export type TemporalConnected = { native: NativeConnection; worker: RunningWorker; attributesAvailable: boolean };

/**
 * Connects to Temporal and starts the worker there. Tries until it succeeds, and logs once a minute why it does not.
 * Throws only when `signal` aborts.
 */
export async function connectTemporal(options: {
  temporal: TemporalSettings & { address: string };
  connection: Connection;
  codePath: string;
  activities: object;
  interceptors: NonNullable<WorkerOptions['interceptors']>;
  logger: Logger;
  signal: AbortSignal;
}): Promise<TemporalConnected> {
  const { logger, signal } = options;
  let warnedAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      return await attempt(options);
    } catch (err) {
      signal.throwIfAborted();
      if (performance.now() - warnedAt > repeatMs) {
        warnedAt = performance.now();
        logger.warn({ err }, 'Temporal is not connected yet. Webhooks are stored, and builds start once it is');
      }
      await sleep(pauseMs, undefined, { signal });
    }
  }
}

async function attempt({
  temporal,
  connection,
  codePath,
  activities,
  interceptors,
  logger,
  signal,
}: Parameters<typeof connectTemporal>[0]): Promise<TemporalConnected> {
  const { address, namespace, tls, apiKey } = temporal;
  await waitForTemporal({ address, namespace, tls, apiKey }, attemptMs, signal);
  const native = await NativeConnection.connect({ address, ...(tls && { tls }), ...(apiKey && { apiKey }) });
  try {
    signal.throwIfAborted();
    const attributesAvailable = await ensureSearchAttributes(connection, namespace, logger);
    const worker = await runWorker({ connection: native, namespace, codePath, activities, interceptors });
    return { native, worker, attributesAvailable };
  } catch (error) {
    await native.close();
    throw error;
  }
}
