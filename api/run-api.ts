import type { Registry } from 'prom-client';
import { allowedHosts, type Brokers, defaultHost } from '../broker/open-broker.ts';
import type { Config } from '../config.ts';
import type { Store } from '../db/store/open-store.ts';
import { webhookAddress } from '../domain/deliveries/webhook-address.ts';
import type { Logger } from '../log.ts';
import { createApp } from './app.ts';
import { createIntake } from './deliveries/intake.ts';
import { createHookKeys } from './deliveries/webhook-keys.ts';
import type { Listening } from './http/listen.ts';
import { createRateLimiter } from './http/rate-limit.ts';
import { measureTraffic } from './ops/traffic-metrics.ts';

/** Answers on a port that is already held; `stop` finishes what is in flight, and keeps what was acknowledged. */
export function runApi(options: {
  config: Config;
  store: Store;
  brokers: Brokers;
  listening: Listening;
  temporalUiUrl?: string | undefined;
  logger: Logger;
  registry: Registry;
}): { stop(): Promise<void> } {
  const { config, store, brokers, listening, logger, registry } = options;
  const { database, keyring } = store;
  measureTraffic(brokers.traffic, registry);
  const intake = createIntake({ database, hookKeys: createHookKeys({ database, keyring }), logger, registry });
  const app = createApp({
    database,
    keyring,
    ...brokers,
    connect: {
      defaultHost: defaultHost(config),
      allowedHosts: allowedHosts(config),
      redirectOrigins: config.corsOrigins,
      webhookUrlFor: (githubAppId) => webhookAddress({ ...config.webhooks, publicUrl: config.publicUrl }, githubAppId),
    },
    intake,
    logger,
    registry,
    links: {
      publicUrl: config.publicUrl,
      temporalUiUrl: options.temporalUiUrl ?? config.temporal.uiUrl,
      namespace: config.temporal.namespace,
    },
    adminToken: config.adminToken,
    corsOrigins: config.corsOrigins,
    trustProxy: config.trustProxy,
    limiter: createRateLimiter(config.rateLimits, registry),
  });
  listening.serve(app.callback());
  return {
    async stop() {
      await listening.stop(config.shutdownMs);
      await intake.drain();
    },
  };
}
