import { Client, Connection } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { NativeConnection } from '@temporalio/worker';
import { inject } from 'vitest';
import { workflowAttributeNames } from '../../domain/workflow-attributes.ts';
import { reconnectQuickly } from '../../worker/temporal-client.ts';

/** The run's Temporal server and its bundle of the workflows. */
export function temporal() {
  return { address: inject('temporalAddress'), codePath: inject('workflowCodePath') };
}

/** Connections to the run's Temporal server: one for clients, one for workers. */
export async function connectTemporal() {
  const { address, codePath } = temporal();
  const [connection, nativeConnection] = await Promise.all([
    Connection.connect({ address, channelArgs: reconnectQuickly }),
    NativeConnection.connect({ address }),
  ]);
  return {
    client: new Client({ connection }),
    nativeConnection,
    codePath,
    address,
    async close() {
      await connection.close();
      await nativeConnection.close();
    },
  };
}

/** A server of its own whose timers do not wait. It knows the search attributes, without which workflows would hang. */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path: inject('testServerPath') } },
  });
  const keyword = 2;
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(workflowAttributeNames.map((name) => [name, keyword])),
  });
  return environment;
}
