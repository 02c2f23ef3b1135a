import { Counter, type Registry } from 'prom-client';

export type RelayMetrics = ReturnType<typeof createRelayMetrics>;

export function createRelayMetrics(registry: Registry) {
  const registers = [registry];
  return {
    deliveries: new Counter({
      name: 'fairlead_deliveries_decided_total',
      help: 'Deliveries by outcome',
      labelNames: ['status', 'reason'],
      registers,
    }),
    commands: new Counter({
      name: 'fairlead_commands_total',
      help: 'Attempts to start or signal a workflow, by result',
      labelNames: ['result'],
      registers,
    }),
  };
}
