import { Counter, Gauge, type Registry } from 'prom-client';
import { auditLength } from '../../db/ops/audit-chain.ts';
import { countBacklog } from '../../db/ops/relays.ts';
import type { Database } from '../../db/store/connection.ts';

export type RelayMetrics = ReturnType<typeof createRelayMetrics>;

export function createRelayMetrics(registry: Registry, database: Database) {
  const registers = [registry];
  new Gauge({
    name: 'fairlead_relay_backlog',
    help: 'Rows that wait for the relay',
    labelNames: ['kind'],
    registers,
    async collect() {
      for (const [kind, count] of Object.entries(await countBacklog(database.reader))) this.set({ kind }, count);
    },
  });
  new Gauge({
    name: 'fairlead_audit_length',
    help: 'Rows in all audit chains, as the records of their heads say. It never falls',
    registers,
    async collect() {
      this.set(await auditLength(database.reader));
    },
  });
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
