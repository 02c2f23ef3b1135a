import { collectDefaultMetrics, Registry } from 'prom-client';
import { serveMetrics } from '../api/ops/metrics-server.ts';
import { type Readiness, readinessOf } from '../api/ops/readiness.ts';
import { measureTraffic } from '../api/ops/traffic-metrics.ts';
import { openBrokers } from '../broker/open-broker.ts';
import { ConfigError, loadConfig, readEnvFile } from '../config.ts';
import { openSharedStore } from '../db/store/open-store.ts';
import { webhookAddress } from '../domain/deliveries/webhook-address.ts';
import { createLogger } from '../log.ts';
import { run } from '../run.ts';
import { measureInstance } from './ops/instance-metrics.ts';
import { runWork } from './run-work.ts';

/** `npm run worker`: runs workflows, activities and the relay. You can run many workers. */
await run(async () => {
  readEnvFile();
  const config = loadConfig();
  const { address } = config.temporal;
  const store = await openSharedStore(config);
  if (!address) throw new ConfigError('TEMPORAL_ADDRESS: the worker needs it (host:port)');

  const logger = createLogger(config.logLevel);
  const brokers = openBrokers(config, store, logger);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  measureTraffic(brokers.traffic, registry);
  measureInstance(registry, store.database, logger);
  const temporal = { ...config.temporal, address };
  const work = runWork({
    store,
    brokers,
    temporal,
    webhookMode: config.webhooks.mode,
    webhookUrlFor: (githubAppId) => webhookAddress({ ...config.webhooks, publicUrl: config.publicUrl }, githubAppId),
    retention: config.retention,
    logger,
    registry,
  });
  work.failed.catch((error) => {
    logger.fatal({ err: error }, 'The worker has failed');
    process.exitCode = 1;
    process.kill(process.pid, 'SIGTERM');
  });
  const metrics = await serveMetrics({ config: config.metrics, registry, readiness, logger });

  /** The instance can be ready through other workers while this one waits for Temporal. */
  async function readiness(): Promise<Readiness> {
    const shared = await readinessOf(store.database);
    return shared.status === 'ok' && !work.isConnected() ? { status: 'degraded', reason: 'temporal_away' } : shared;
  }

  const isConnected = await Promise.race([work.ready, work.failed]);
  console.log(
    isConnected
      ? 'Fairlead’s worker is ready'
      : `Fairlead’s worker waits for Temporal at ${address}, and connects as soon as it responds`,
  );
  return {
    stopLimitMs: config.stopLimitMs,
    async stop() {
      await work.stop();
      await metrics.stop();
      await store.database.close();
    },
  };
});
