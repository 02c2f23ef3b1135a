import { Client, Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { inject } from 'vitest';
import { reconnectQuickly } from '../../worker/temporal-client.ts';
import { keepOpened, type OpenedWorkflow, stopWorker } from './workflow-run.ts';

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
  const opened: OpenedWorkflow[] = [];
  return {
    client: new Client({ connection, interceptors: { workflow: [keepOpened(opened)] } }),
    nativeConnection,
    opened,
    codePath,
    address,
    async close() {
      await stopWorker(nativeConnection);
      await connection.close();
      await nativeConnection.close();
    },
  };
}
