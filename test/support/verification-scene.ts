import { randomUUID } from 'node:crypto';
import { Worker } from '@temporalio/worker';
import { Registry } from 'prom-client';
import { deletionActivities } from '../../activities/deletion.ts';
import { withFailures } from '../../activities/failures.ts';
import { leaseActivities } from '../../activities/leases.ts';
import { verificationActivities } from '../../activities/verification.ts';
import { createRegistryExchange } from '../../broker/registries/registry-exchange.ts';
import type { AllowedHost } from '../../domain/allowed-hosts.ts';
import { createRelay } from '../../worker/relay.ts';
import { startApi } from './api.ts';
import { openTestDatabase } from './database.ts';
import { keyring, silent } from './hooks.ts';
import { registriesAt } from './registries.ts';
import { connectTemporal } from './temporal.ts';
import { starterOn } from './whole.ts';

/** API, relay and worker in this process, on the run's Temporal, for the registries at these origins. */
export async function startVerificationScene(origins: string[], clouds: Parameters<typeof registriesAt>[2] = {}) {
  const [database, temporal] = await Promise.all([openTestDatabase(), connectTemporal()]);
  const registryAccess = registriesAt(database, origins, clouds);
  const allowedHosts: AllowedHost[] = origins.map((origin) => ({ origin }));
  const api = await startApi({
    database,
    registryExchange: createRegistryExchange({ database, keyring, access: registryAccess }),
    connect: {
      defaultHost: { hostUrl: 'https://github.com', apiUrl: 'https://api.github.com' },
      allowedHosts,
      redirectOrigins: [],
      webhookUrlFor: (id) => `https://fairlead.example/v1/webhooks/github/${id}`,
    },
  });
  const noGitHub = () => Promise.reject(new Error('No GitHub is asked in this test'));
  const broker = { asApp: noGitHub, revokeToken: noGitHub };
  const taskQueue = `test-${randomUUID()}`;
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue,
    workflowBundle: { codePath: temporal.codePath },
    activities: withFailures({
      ...verificationActivities({ database, registryAccess }),
      ...deletionActivities({ database, broker }),
      ...leaseActivities({ database, keyring, broker }),
    }),
  });
  const running = worker.run();
  const starter = starterOn(temporal.client, taskQueue);
  const relay = createRelay({ database, temporal: starter, logger: silent, registry: new Registry() });
  await relay.start();
  return {
    ...api,
    workflows: temporal.client.workflow,
    async stop() {
      await relay.stop();
      worker.shutdown();
      await running;
      await temporal.close();
      await api.stop();
    },
  };
}

export type VerificationScene = Awaited<ReturnType<typeof startVerificationScene>>;
