import { Client } from '@temporalio/client';
import { NativeConnection, Runtime } from '@temporalio/worker';
import type { Registry } from 'prom-client';
import { createActivities } from '../activities/index.ts';
import type { Brokers } from '../broker/open-broker.ts';
import type { TemporalSettings } from '../config.ts';
import type { Store } from '../db/open-store.ts';
import type { Logger } from '../log.ts';
import { workflowBundle } from './bundle.ts';
import { createRedactInterceptor } from './redact-interceptor.ts';
import { createRelay } from './relay.ts';
import { runWorker } from './run-worker.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { createTemporalClient, waitForTemporal } from './temporal-client.ts';
import { createTemporalLogger } from './temporal-logger.ts';
import { createTemporalStarter } from './temporal-starter.ts';

/** Workflows, activities and the relay that feeds them, on one Temporal. Throws `TemporalUnreachable` at first. */
export async function runWork(options: {
  store: Store;
  brokers: Brokers;
  temporal: TemporalSettings & { address: string };
  logger: Logger;
  registry: Registry;
}): Promise<{ stop(): Promise<void>; failed: Promise<never> }> {
  const { store, brokers, temporal, logger, registry } = options;
  const { database, keyring } = store;
  const { address, namespace, tls, apiKey } = temporal;
  Runtime.install({ logger: createTemporalLogger(logger), shutdownSignals: [] });
  const [{ codePath }] = await Promise.all([
    workflowBundle(),
    waitForTemporal({ address, namespace, tls, apiKey }, 15_000),
  ]);

  const { client, connection, close } = createTemporalClient(temporal, address);
  const native = await NativeConnection.connect({
    address,
    ...(tls && { tls }),
    ...(apiKey && { apiKey }),
  });
  const attributesAvailable = await ensureSearchAttributes(connection, namespace, logger);
  const worker = await runWorker({
    connection: native,
    namespace,
    codePath,
    activities: createActivities({ database, keyring, ...brokers }),
    interceptors: { activity: [createRedactInterceptor(logger)] },
  });
  const eagerClient = new Client({ connection: native, namespace });
  const starter = createTemporalStarter({ client, eagerClient, attributesAvailable });
  const relay = createRelay({ database, temporal: starter, logger, registry });
  await relay.start();

  return {
    failed: worker.failed,
    async stop() {
      await relay.stop();
      await worker.stop();
      await close();
      await native.close();
    },
  };
}
