import { collectDefaultMetrics, Registry } from 'prom-client';
import { runApi } from './api/app.ts';
import { listen } from './api/http/listen.ts';
import { serveMetrics } from './api/ops/metrics-server.ts';
import { readinessOf } from './api/ops/readiness.ts';
import { measureTraffic } from './api/ops/traffic-metrics.ts';
import { openBrokers } from './broker/open-broker.ts';
import type { Config } from './config.ts';
import { syncCommand } from './db/github/installations.ts';
import { registerOperatorApp } from './db/github/operator-app.ts';
import { bootstrap, createSignInCode } from './db/people/bootstrap.ts';
import { openStore, type Store } from './db/store/open-store.ts';
import { webhookAddress } from './domain/deliveries/webhook-address.ts';
import { createLogger, type Logger } from './log.ts';
import type { Running } from './run.ts';
import { measureInstance } from './worker/ops/instance-metrics.ts';
import { runWork, type Work } from './worker/run-work.ts';
import { startTemporalServer } from './worker/temporal-server.ts';

export type Product = Running & {
  signInCode: string;
  temporalUiUrl: string | undefined;
  where: string;
  /** Where Temporal is, and whether it was connected when the start ended. */
  temporal: { address: string; isConnected: boolean };
  /** Resolves once Temporal is connected and the worker runs. */
  connected: Promise<void>;
};

/**
 * Starts the whole product in one process. Without TEMPORAL_ADDRESS a Temporal server runs as a child process. The API
 * accepts webhooks before Temporal responds. If Temporal does not respond within 15 seconds, the start ends without it.
 */
export async function startProduct(config: Config): Promise<Product> {
  const logger = createLogger(config.logLevel);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const undo of stops.splice(0).reverse()) await undo();
  };

  try {
    const listening = await listen(config);
    stops.push(() => listening.stop(0));
    const store = await openStore(config);
    stops.push(store.database.close);
    const server = config.temporal.address ? undefined : await startServer(config);
    if (server) stops.push(server.stop);
    const metrics = await serveMetrics({
      config: config.metrics,
      registry,
      readiness: () => readinessOf(store.database),
      logger,
    });
    stops.push(metrics.stop);
    if (store.madeKeyFile)
      logger.info({ file: store.madeKeyFile }, 'Created a master key. Keep a copy in a safe place');

    reportFiles(logger, store.files);

    const brokers = openBrokers(config, store, logger);
    measureTraffic(brokers.traffic, registry);
    measureInstance(registry, store.database, logger);
    const app = config.github;
    const { ownerId } = await bootstrap(store.database);
    if (app) await registerOperatorApp(store.database, store.keyring, app, syncCommand);

    const address = server?.address ?? config.temporal.address ?? '';
    const temporalUiUrl = config.temporal.uiUrl ?? server?.uiUrl;
    let work: Work | undefined;
    // The API stops first, so that a request that waits for its operation can finish.
    stops.push(async () => work?.stop());
    const api = runApi({ config, store, brokers, listening, temporalUiUrl, logger, registry });
    stops.push(api.stop);
    work = runWork({
      store,
      brokers,
      temporal: { ...config.temporal, address },
      webhookMode: config.webhooks.mode,
      webhookUrlFor: (githubAppId) => webhookAddress({ ...config.webhooks, publicUrl: config.publicUrl }, githubAppId),
      retention: config.retention,
      logger,
      registry,
    });
    const failed = Promise.race([work.failed, ...(server ? [server.failed] : [])]);
    const isConnected = await Promise.race([work.ready, failed]);
    failed.catch((error) => {
      logger.fatal({ err: error }, 'The worker or its Temporal server has failed');
      process.exitCode = 1;
      process.kill(process.pid, 'SIGTERM');
    });

    const signInCode = await createSignInCode(store.database, ownerId);
    const { connected } = work;
    return { stop, signInCode, temporalUiUrl, where: store.where, temporal: { address, isConnected }, connected };
  } catch (error) {
    await stop();
    throw error;
  }
}

function reportFiles(
  logger: Logger,
  { tightened, exposed }: NonNullable<Store['files']> = { tightened: [], exposed: [] },
) {
  if (tightened.length > 0)
    logger.warn({ files: tightened }, 'Other users could read these files. Their mode is 600 now');
  if (exposed.length > 0)
    logger.error({ files: exposed }, 'Other users can read these files. Change their mode to 600');
}

function startServer({ dataDir, temporal: { port, uiPort, cliPath } }: Config) {
  return startTemporalServer({ dataDir, port, uiPort, cliPath });
}
