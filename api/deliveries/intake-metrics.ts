import { Counter, Histogram, type Registry } from 'prom-client';

export function createIntakeMetrics(registry: Registry) {
  const registers = [registry];
  return {
    accepted: new Counter({
      name: 'fairlead_webhooks_accepted_total',
      help: 'Webhooks that were stored, or known already',
      labelNames: ['known'],
      registers,
    }),
    refused: new Counter({
      name: 'fairlead_webhooks_refused_total',
      help: 'Webhooks that were refused, by reason',
      labelNames: ['reason'],
      registers,
    }),
    stored: new Histogram({
      name: 'fairlead_webhook_store_seconds',
      help: 'From a webhook’s headers to its commit',
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
  };
}
