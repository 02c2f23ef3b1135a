import { waitForTemporal } from '../../../worker/temporal-client.ts';
import { startTemporalServer, type TemporalServer } from '../../../worker/temporal-server.ts';

/** Starts Temporal's dev server and waits until its namespace responds. */
export async function startRespondingServer(
  options: Parameters<typeof startTemporalServer>[0],
): Promise<TemporalServer> {
  const server = await startTemporalServer(options);
  try {
    await Promise.race([server.failed, waitForTemporal({ address: server.address, namespace: 'default' }, 60_000)]);
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}
