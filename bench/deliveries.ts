import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';

export type SignedDelivery = { guid: string; event: string; body: string; signature: string };

type Example = { name: string; examples: Record<string, unknown>[] };

/**
 * Creates deliveries from GitHub's own example pushes and pull requests. Each one is padded to a realistic size, unique
 * and signed.
 */
export function signedDeliveries(count: number, secret: string): SignedDelivery[] {
  const all = createRequire(import.meta.url)('@octokit/webhooks-examples') as Example[];
  const wanted = all.filter(({ name }) => name === 'push' || name === 'pull_request');
  const sources = wanted.flatMap(({ name, examples }) => examples.map((payload) => ({ name, payload })));

  return Array.from({ length: count }, (_, index) => {
    const { name, payload } = sources[index % sources.length] as (typeof sources)[number];
    const body = JSON.stringify({ ...payload, bench: randomBytes(16).toString('hex') });
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    return { guid: randomUUID(), event: name, body, signature };
  });
}
