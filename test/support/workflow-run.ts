import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  DefaultLogger,
  type NativeConnection,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { workflowAttributeNames } from '../../domain/workflow-attributes.ts';

let bundled: Promise<WorkflowBundleWithSourceMap> | undefined;

export function workflowBundle(): Promise<WorkflowBundleWithSourceMap> {
  bundled ??= bundleWorkflowCode({
    workflowsPath: path.join(import.meta.dirname, '../../workflows/index.ts'),
    logger: new DefaultLogger('ERROR'),
  });
  return bundled;
}

/** A real server, with the attributes that Fairlead's workflows are found by. */
export function startLocal() {
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: '/root/.pyenv/versions/3.11.7/bin/temporal' },
      searchAttributes: workflowAttributeNames.map((name) =>
        defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
      ),
    },
  });
}

export function startTimeSkipping() {
  return TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path: '/root/.pyenv/versions/3.11.7/bin/temporal-test-server' } },
  });
}

type Place = { client: Client; nativeConnection: NativeConnection };

/**
 * Runs `work` beside a worker of the given workflows with hand-written activities, on a queue of its own. Each
 * activity's name and input are noted in `steps`, in order.
 */
export async function withWorker<Result>(
  { client, nativeConnection }: Place,
  bundle: WorkflowBundleWithSourceMap,
  activities: Record<string, (input: never) => unknown>,
  work: (place: { client: Client; taskQueue: string; steps: string[] }) => Promise<Result>,
): Promise<Result> {
  const taskQueue = `test-${randomUUID()}`;
  const steps: string[] = [];
  const noted = Object.entries(activities).map(([name, activity]) => [
    name,
    async (input: never) => {
      steps.push(name);
      return activity(input);
    },
  ]);
  const worker = await Worker.create({
    connection: nativeConnection,
    taskQueue,
    workflowBundle: bundle,
    activities: Object.fromEntries(noted),
  });
  return worker.runUntil(work({ client, taskQueue, steps }));
}
