import { collectDefaultMetrics, Registry } from 'prom-client';
import { openBrokers } from '../broker/open-broker.ts';
import { loadConfig, readEnvFile } from '../config.ts';
import { syncCommand } from '../db/github/installations.ts';
import { registerOperatorApp } from '../db/github/operator-app.ts';
import { bootstrap, createSignInCode } from '../db/people/bootstrap.ts';
import { openSharedStore } from '../db/store/open-store.ts';
import { createLogger } from '../log.ts';
import { run } from '../run.ts';
import { runApi } from './app.ts';
import { listen } from './http/listen.ts';
import { serveMetrics } from './ops/metrics-server.ts';
import { readinessOf } from './ops/readiness.ts';
import { measureTraffic } from './ops/traffic-metrics.ts';

/** `npm run api`: starts the HTTP process. Several can run at once. It has no connection to Temporal. */
await run(async () => {
  readEnvFile();
  const config = loadConfig();
  const logger = createLogger(config.logLevel);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const store = await openSharedStore(config);
  const listening = await listen(config);
  const brokers = openBrokers(config, store, logger);
  measureTraffic(brokers.traffic, registry);
  const readiness = () => readinessOf(store.database);
  const metrics = await serveMetrics({ config: config.metrics, registry, readiness, logger });
  const app = config.github;
  const { ownerId } = await bootstrap(store.database);
  if (app) await registerOperatorApp(store.database, store.keyring, app, syncCommand);
  const api = runApi({ config, store, brokers, listening, logger, registry });

  const code = await createSignInCode(store.database, ownerId);
  console.log(`Fairlead's API is ready at ${config.publicUrl}\nSign in once: ${config.publicUrl}/sign-in?code=${code}`);
  return {
    stopLimitMs: config.stopLimitMs,
    async stop() {
      await api.stop();
      await metrics.stop();
      await store.database.close();
    },
  };
});
