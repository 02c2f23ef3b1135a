import { z } from 'zod';
import { allIncidents } from '../db/ops/incidents.ts';
import { relayHealth } from '../db/ops/relays.ts';
import { instanceSubject } from '../domain/ops/incidents.ts';
import type { ApiDeps } from './http/deps.ts';
import { type Endpoint, endpoint } from './http/endpoint.ts';
import { Problem } from './http/problems.ts';

const Health = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });
const Readiness = z
  .object({
    status: z.enum(['ok', 'degraded']),
    reason: z.enum(['no_relay', 'temporal_away', 'clock_skew']).nullable(),
  })
  .meta({ id: 'Readiness' });

/** The routes for the systems that watch this process: health checks and metrics. */
export function serviceRoutes({ database, registry }: ApiDeps): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/healthz',
      operationId: 'getHealth',
      tag: 'service',
      summary: 'Check that the process responds',
      access: 'public',
      unlimited: true,
      success: { status: 200, body: Health },
      read: async () => ({ status: 'ok' }),
    }),
    endpoint({
      method: 'get',
      path: '/readyz',
      operationId: 'getReadiness',
      tag: 'service',
      summary: 'Check that deliveries can be stored',
      description:
        '`degraded` means that builds start late because no relay runs or Temporal is unreachable, or because the clock of the host is wrong. Nothing is lost.',
      access: 'public',
      unlimited: true,
      success: {
        status: 200,
        body: Readiness,
      },
      async read() {
        const health = await relayHealth(database.reader).catch(() => {
          throw new Problem('unavailable', 'Nothing can be stored. Check the database.');
        });
        if (health !== 'ok') return { status: 'degraded', reason: health };
        const isOff = await allIncidents(database.reader).isOpen('clock_skew', instanceSubject);
        return isOff ? { status: 'degraded', reason: 'clock_skew' } : { status: 'ok', reason: null };
      },
    }),
    endpoint({
      method: 'get',
      path: '/metrics',
      operationId: 'getMetrics',
      tag: 'service',
      summary: 'Get metrics for Prometheus',
      access: 'public',
      success: { status: 200, body: z.string(), contentType: 'text/plain' },
      async raw(ctx) {
        ctx.body = await registry.metrics();
        ctx.type = registry.contentType;
      },
    }),
  ];
}
