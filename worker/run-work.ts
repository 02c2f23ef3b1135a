import { Client } from '@temporalio/client';
import { NativeConnection, Runtime } from '@temporalio/worker';
import type { Registry } from 'prom-client';
import { createLogFollower } from '../activities/deliveries/follow-log.ts';
import { createActivities } from '../activities/index.ts';
import type { Brokers } from '../broker/open-broker.ts';
import type { TemporalSettings } from '../config.ts';
import { requestRecoveries } from '../db/deliveries/delivery-log.ts';
import { recheckUnreadable } from '../db/recheck-unreadable.ts';
import type { Store } from '../db/store/open-store.ts';
import type { WebhookMode } from '../domain/deliveries/webhook-address.ts';
import type { Retention } from '../domain/ops/retention.ts';
import type { Logger } from '../log.ts';
import { taskQueue } from '../workflows/ids.ts';
import { workflowBundle } from './bundle.ts';
import { createClosedWorkflowSweep } from './ops/closed-workflows.ts';
import { createRedactInterceptor } from './redact-interceptor.ts';
import { createRelay } from './relay/relay.ts';
import { runWorker } from './run-worker.ts';
import { ensureSchedules } from './schedules.ts';
import { ensureSearchAttributes } from './search-attributes.ts';
import { createTemporalClient, waitForTemporal } from './temporal-client.ts';
import { createTemporalLogger } from './temporal-logger.ts';
import { createTemporalStarter } from './temporal-starter.ts';

/** How often the log of deliveries is read if GitHub cannot reach Fairlead. It is 720 requests an hour for each App. */
const pullMs = 5_000;

/** How often each worker looks for workflows that an operator ended in Temporal. */
const closedMs = 20_000;

/**
 * Runs workflows, activities and the relay on one Temporal. Throws `TemporalUnreachable` if Temporal is not reachable
 * at the start.
 */
export async function runWork(options: {
  store: Store;
  brokers: Brokers;
  temporal: TemporalSettings & { address: string };
  webhookMode: WebhookMode;
  /** Returns the webhook address of this App at Fairlead. */
  webhookUrlFor(githubAppId: string): string;
  /** How long old data is kept. */
  retention: Retention;
  logger: Logger;
  registry: Registry;
}): Promise<{ stop(): Promise<void>; failed: Promise<never> }> {
  const { store, brokers, temporal, webhookMode, webhookUrlFor, retention, logger, registry } = options;
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
  const reachable = webhookMode === 'push';
  const attributesAvailable = await ensureSearchAttributes(connection, namespace, logger);
  const worker = await runWorker({
    connection: native,
    namespace,
    codePath,
    activities: createActivities({ database, keyring, reachable, webhookUrlFor, ...brokers }),
    interceptors: { activity: [createRedactInterceptor(logger)] },
  });
  const eagerClient = new Client({ connection: native, namespace });
  const starter = createTemporalStarter({ client, eagerClient, attributesAvailable });
  const onTrouble = (githubAppId: string, err: unknown) =>
    logger.warn({ err, githubAppId }, 'The log of an App’s deliveries could not be read');
  const logs = createLogFollower({ database, broker: brokers.broker, reachable }, { everyMs: pullMs, onTrouble });
  const relay = createRelay({
    database,
    temporal: starter,
    logger,
    registry,
    retention,
    recheckSecrets: () => recheckUnreadable(database, keyring),
    closed: { everyMs: closedMs, work: createClosedWorkflowSweep({ database, client, taskQueue }) },
    ...(!reachable && { pull: { everyMs: pullMs, work: logs.round } }),
  });
  await relay.start();
  // This reads what arrived while no worker was running.
  await requestRecoveries(database);
  await ensureSchedules(client, logger);

  return {
    failed: worker.failed,
    async stop() {
      await relay.stop();
      await logs.stop();
      await worker.stop();
      await close();
      await native.close();
    },
  };
}
