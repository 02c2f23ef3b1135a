import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { Runtime } from '@temporalio/worker';
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
import { connectTemporal, type TemporalConnected } from './connect-temporal.ts';
import { createClosedWorkflowSweep } from './ops/closed-workflows.ts';
import { createRedactInterceptor } from './redact-interceptor.ts';
import { createRelay } from './relay/relay.ts';
import { ensureSchedules } from './schedules.ts';
import { createTemporalClient } from './temporal-client.ts';
import { createTemporalLogger } from './temporal-logger.ts';
import { createLateStarter, createTemporalStarter } from './temporal-starter.ts';

/** How often the log of deliveries is read if GitHub cannot reach Fairlead. It is 720 requests an hour for each App. */
const pullMs = 5_000;

/** How often each worker looks for workflows that an operator ended in Temporal. */
const closedMs = 20_000;

/** How long a start waits for Temporal before the relay works without it. */
const patienceMs = 5_000;

export type Work = {
  /** Resolves with true once the worker runs, and with false if Temporal is not connected after five seconds. */
  ready: Promise<boolean>;
  /** Resolves once the worker runs, no matter how late. Never rejects. */
  connected: Promise<void>;
  isConnected(): boolean;
  /** Rejects if the worker cannot run. An unreachable Temporal is no such failure. */
  failed: Promise<never>;
  stop(): Promise<void>;
};

/**
 * Runs workflows, activities and the relay on one Temporal, and returns at once. If Temporal is not reachable, the
 * relay decides deliveries without it and keeps the commands. The worker starts as soon as Temporal responds. Throws if
 * the certificates are not usable.
 */
export function runWork(options: {
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
}): Work {
  const { store, brokers, temporal, webhookMode, webhookUrlFor, retention, logger, registry } = options;
  const { database, keyring } = store;
  const { address, namespace } = temporal;
  Runtime.install({ logger: createTemporalLogger(logger), shutdownSignals: [] });
  const { client, connection, close } = createTemporalClient(temporal, address);
  const reachable = webhookMode === 'push';
  const late = createLateStarter();
  const onTrouble = (githubAppId: string, err: unknown) =>
    logger.warn({ err, githubAppId }, 'The log of an App’s deliveries could not be read');
  const logs = createLogFollower({ database, broker: brokers.broker, reachable }, { everyMs: pullMs, onTrouble });
  const relay = createRelay({
    database,
    temporal: late.starter,
    logger,
    registry,
    retention,
    recheckSecrets: () => recheckUnreadable(database, keyring),
    closed: { everyMs: closedMs, work: createClosedWorkflowSweep({ database, client, taskQueue }) },
    ...(!reachable && { pull: { everyMs: pullMs, work: logs.round } }),
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  let found: TemporalConnected | undefined;
  let isConnected = false;

  async function connect(): Promise<void> {
    const { codePath } = await workflowBundle();
    signal.throwIfAborted();
    found = await connectTemporal({
      temporal,
      connection,
      codePath,
      activities: createActivities({ database, keyring, reachable, webhookUrlFor, ...brokers }),
      interceptors: { activity: [createRedactInterceptor(logger)] },
      logger,
      signal,
    });
    found.worker.failed.catch(fail);
    const eagerClient = new Client({ connection: found.native, namespace });
    const { attributesAvailable } = found;
    late.use(createTemporalStarter({ client, eagerClient, attributesAvailable }));
  }

  async function start(): Promise<void> {
    const connecting = connect();
    await Promise.race([connecting, patience]);
    signal.throwIfAborted();
    await relay.start();
    await connecting;
    // This reads what arrived while no worker was running.
    await requestRecoveries(database);
    await ensureSchedules(client, logger);
    isConnected = true;
    logger.info({ address }, 'Temporal is connected, and the worker runs');
  }

  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const patience = sleep(patienceMs, undefined, { signal, ref: false }).catch(() => {});
  const started = start();
  started.catch((error) => signal.aborted || fail(error));
  const connected = new Promise<void>((resolve) => started.then(resolve, () => {}));
  return {
    ready: Promise.race([connected.then(() => true), patience.then(() => false)]),
    connected,
    isConnected: () => isConnected,
    failed,
    async stop() {
      stopping.abort();
      await started.catch(() => {});
      await relay.stop();
      await logs.stop();
      await found?.worker.stop();
      await close();
      await found?.native.close();
    },
  };
}
