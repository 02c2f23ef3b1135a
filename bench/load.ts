import autocannon from 'autocannon';
import type { SignedDelivery } from './deliveries.ts';

export type Load = { requests: number; seconds: number; perSecond: number; p50: number; p99: number; refused: number };

/** Sends each delivery once over `connections` connections, as fast as the server responds. */
export async function sendAll(
  url: string,
  deliveries: SignedDelivery[],
  { connections, appId }: { connections: number; appId: number },
): Promise<Load> {
  let next = 0;
  const started = performance.now();
  let last = started;
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        url,
        connections,
        amount: deliveries.length,
        requests: [
          {
            method: 'POST',
            setupRequest(request) {
              const delivery = deliveries[next++ % deliveries.length] as SignedDelivery;
              return { ...request, body: delivery.body, headers: headersOf(delivery, appId) };
            },
          },
        ],
      },
      (error, result) => (error ? reject(error) : resolve(result)),
    );
    // autocannon itself counts only whole seconds.
    instance.on('response', () => {
      last = performance.now();
    });
  });
  const seconds = (last - started) / 1000;
  const { p50, p99 } = result.latency;
  const refused = result.non2xx + result.errors + result.timeouts;
  return { requests: deliveries.length, seconds, perSecond: deliveries.length / seconds, p50, p99, refused };
}

/** The headers that GitHub sends. */
export function headersOf({ guid, event, signature }: SignedDelivery, appId: number): Record<string, string> {
  return {
    'content-type': 'application/json',
    'user-agent': 'GitHub-Hookshot/bench',
    'x-github-delivery': guid,
    'x-github-event': event,
    'x-github-hook-installation-target-id': String(appId),
    'x-github-hook-installation-target-type': 'integration',
    'x-hub-signature-256': signature,
  };
}
