import { randomUUID } from 'node:crypto';
import { Worker } from '@temporalio/worker';
import { Registry } from 'prom-client';
import { createActivities } from '../../activities/index.ts';
import type { Command } from '../../db/commands.ts';
import type { GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import { createRelay } from '../../worker/relay.ts';
import type { TemporalStarter } from '../../worker/temporal-starter.ts';
import { publicUrl, startApi } from './api.ts';
import { createBrowser, type Shown } from './browser.ts';
import { noClouds } from './clouds.ts';
import { connectorTo } from './connect-flow.ts';
import { openTestDatabase } from './database.ts';
import { keyring, silent } from './hooks.ts';
import { brokerTo, originsOf } from './operator-app.ts';
import { noRegistries } from './registries.ts';
import { connectTemporal } from './temporal.ts';

/** API, relay and worker in this process, on the run's Temporal, for GitHubs of the test's own: the first is the usual one. */
export async function startWhole(github: GitHubStandIn, ...others: GitHubStandIn[]) {
  const [database, temporal] = await Promise.all([openTestDatabase(), connectTemporal()]);
  const [broker, connector] = [brokerTo(database, github, ...others), connectorTo(database, github)];
  const api = await startApi({
    database,
    broker,
    connector,
    connect: {
      defaultHost: { hostUrl: github.url, apiUrl: github.apiUrl },
      allowedHosts: [github, ...others].flatMap(originsOf),
      redirectOrigins: [],
      webhookUrlFor: (githubAppId) => `${publicUrl}/v1/webhooks/github/${githubAppId}`,
    },
  });
  // Of its own: other tests use this Temporal at the same time.
  const taskQueue = `test-${randomUUID()}`;
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue,
    workflowBundle: { codePath: temporal.codePath },
    activities: createActivities({
      database,
      keyring,
      broker,
      connector,
      registryAccess: noRegistries,
      cloudAccounts: noClouds,
      googleConsents: noClouds,
      reachable: true,
      webhookUrlFor: (id) => `https://fairlead.example/v1/webhooks/github/${id}`,
    }),
  });
  const running = worker.run();
  const starter = starterOn(temporal.client, taskQueue);
  const relay = createRelay({ database, temporal: starter, logger: silent, registry: new Registry() });
  await relay.start();

  return {
    ...api,
    async stop() {
      await relay.stop();
      worker.shutdown();
      await running;
      await temporal.close();
      await api.stop();
    },
  };
}

export type Whole = Awaited<ReturnType<typeof startWhole>>;

/** A browser for which the public address is this API's. */
export function browserAt({ url: apiUrl }: Whole) {
  const browser = createBrowser();
  const here = (url: string) => url.replace(publicUrl, apiUrl);

  async function follow(shown: Shown): Promise<Shown> {
    let at = shown;
    for (let hop = 0; hop < 10 && at.location; hop++) at = await browser.visit(here(at.location));
    return at;
  }
  return {
    ...browser,
    follow,
    visit: (url: string) => browser.visit(here(url)),
  };
}

/** Starts workflows on a queue of the test’s own. */
export function starterOn(
  { workflow: workflows }: Awaited<ReturnType<typeof connectTemporal>>['client'],
  taskQueue: string,
): TemporalStarter {
  const options = ({ workflowId, input }: Command) => ({ taskQueue, workflowId, args: [input] });
  return {
    async start(command) {
      await workflows.start(command.workflow, options(command));
    },
    async signal({ workflowId, signal = '', input }) {
      await workflows.getHandle(workflowId).signal(signal, ...(input == null ? [] : [input]));
    },
    async signalWithStart(command) {
      await workflows.signalWithStart(command.workflow, { ...options(command), signal: command.signal ?? '' });
    },
    isReachable: async () => true,
  };
}
