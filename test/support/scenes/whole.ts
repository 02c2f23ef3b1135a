import { randomUUID } from 'node:crypto';
import { defineSearchAttributeKey, WorkflowNotFoundError } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { Registry } from 'prom-client';
import { createActivities } from '../../../activities/index.ts';
import type { Settling } from '../../../activities/settling.ts';
import type { Command } from '../../../db/store/commands.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { createClosedWorkflowSweep } from '../../../worker/ops/closed-workflows.ts';
import { createRelay } from '../../../worker/relay/relay.ts';
import type { TemporalStarter } from '../../../worker/temporal-starter.ts';
import { publicUrl, startApi } from '../api.ts';
import { createBrowser, type Shown } from '../browser.ts';
import { openTestDatabase } from '../database.ts';
import { type Outside, openOutside } from '../fakes/registries.ts';
import { keyring, silent } from '../hooks.ts';
import { connectTemporal } from '../temporal.ts';
import { connectorTo } from './connect-flow.ts';
import { brokerTo, originsOf } from './operator-app.ts';

export type Surroundings = Outside & {
  /** More GitHubs, in addition to the first. */
  others?: GitHubStandIn[];
  /** How often a worker looks for workflows that an operator ended in Temporal. The default is never. */
  closedEveryMs?: number;
  /** How long a cloud may take to settle. The default is a minute, as in the product. */
  settling?: Settling;
};

/**
 * Starts API, relay and worker in this process, on the run's Temporal. They reach only the stand-ins that the test
 * passes: a GitHub, registries and clouds.
 */
export async function startWhole(
  github?: GitHubStandIn,
  { others = [], settling, closedEveryMs, ...outside }: Surroundings = {},
) {
  const [database, temporal] = await Promise.all([openTestDatabase(), connectTemporal()]);
  const githubs = [...(github ? [github] : []), ...others];
  const [broker, connector] = [brokerTo(database, ...githubs), connectorTo(database, github)];
  const { allowedHosts, ...opened } = openOutside(database, outside);
  const api = await startApi({
    database,
    broker,
    connector,
    ...opened,
    connect: {
      defaultHost: {
        hostUrl: github?.url ?? 'https://github.com',
        apiUrl: github?.apiUrl ?? 'https://api.github.com',
      },
      allowedHosts: [...githubs.flatMap(originsOf), ...allowedHosts],
      redirectOrigins: [],
      webhookUrlFor: (githubAppId) => `${publicUrl}/v1/webhooks/github/${githubAppId}`,
    },
  });
  // A separate queue, because other tests use this Temporal at the same time.
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
      ...opened,
      ...(settling && { settling }),
      reachable: true,
      webhookUrlFor: (id) => `https://fairlead.example/v1/webhooks/github/${id}`,
    }),
  });
  const running = worker.run();
  const starter = starterOn(temporal.client, taskQueue);
  const work = createClosedWorkflowSweep({ database, client: temporal.client, taskQueue });
  const relay = createRelay({
    database,
    temporal: starter,
    logger: silent,
    registry: new Registry(),
    ...(closedEveryMs !== undefined && { closed: { everyMs: closedEveryMs, work } }),
  });
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

export type Whole = Awaited<ReturnType<typeof startWhole>>;

/** A browser that reaches this API at its public URL. */
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
  const options = ({ workflowId, input, summary, attributes = {} }: Command) => ({
    taskQueue,
    workflowId,
    args: [input],
    ...(summary && { staticSummary: summary }),
    typedSearchAttributes: Object.entries(attributes).map(([name, value]) => ({
      key: defineSearchAttributeKey(name, 'KEYWORD'),
      value,
    })),
  });
  return {
    async start(command) {
      await workflows.start(command.workflow, options(command));
    },
    async signal({ workflowId, signal = '', input }) {
      try {
        await workflows.getHandle(workflowId).signal(signal, ...(input == null ? [] : [input]));
      } catch (error) {
        // A workflow that has ended needs no signal.
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },
    async signalWithStart(command) {
      await workflows.signalWithStart(command.workflow, { ...options(command), signal: command.signal ?? '' });
    },
    isReachable: async () => true,
  };
}
