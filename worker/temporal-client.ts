import { Client, Connection } from '@temporalio/client';
import type { TemporalSettings } from '../config.ts';

/** Finds Temporal within a second after an outage. The default takes up to half a minute. */
export const reconnectQuickly = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

/** A client that connects on first use, so that a process can start during an outage of Temporal. */
export function createTemporalClient(
  settings: Pick<TemporalSettings, 'namespace' | 'tls' | 'apiKey'>,
  address: string,
) {
  const connection = Connection.lazy({
    address,
    ...(settings.tls && { tls: settings.tls }),
    ...(settings.apiKey && { apiKey: settings.apiKey }),
    // gRPC for Node would obey HTTPS_PROXY, which is for providers. The worker's native connection never does.
    channelArgs: { ...reconnectQuickly, 'grpc.enable_http_proxy': 0 },
    // A call has no retries, because a failed command is sent again later.
    interceptors: [],
  });
  const client = new Client({ connection, namespace: settings.namespace });
  return { client, connection, close: () => connection.close() };
}

export class TemporalUnreachable extends Error {
  override name = 'TemporalUnreachable';
}

/** Waits until the namespace responds. Throws `TemporalUnreachable` after `limitMs`, and at once if it is aborted. */
export async function waitForTemporal(
  settings: { address: string; namespace: string } & Partial<Pick<TemporalSettings, 'tls' | 'apiKey'>>,
  limitMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const { address, namespace, tls, apiKey } = settings;
  const { connection, close } = createTemporalClient({ namespace, tls, apiKey }, address);
  const deadline = Date.now() + limitMs;
  try {
    for (;;) {
      try {
        await connection.withDeadline(Math.min(deadline, Date.now() + 2_000), () =>
          connection.workflowService.describeNamespace({ namespace }),
        );
        return;
      } catch (error) {
        signal?.throwIfAborted();
        if (Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
        else throw unreachable(address, namespace, error);
      }
    }
  } finally {
    await close();
  }
}

function unreachable(address: string, namespace: string, error: unknown): TemporalUnreachable {
  const notFound = (error as { code?: number }).code === 5;
  return new TemporalUnreachable(
    notFound
      ? `Temporal at ${address} has no namespace "${namespace}": create it, or set TEMPORAL_NAMESPACE`
      : `Temporal at ${address} does not answer: check TEMPORAL_ADDRESS (and TEMPORAL_TLS and TEMPORAL_API_KEY)`,
  );
}
