import { z } from 'zod';
import type { ApiDeps } from './http/deps.ts';
import { type Endpoint, endpoint } from './http/endpoint.ts';
import { Readiness, readinessOf } from './ops/readiness.ts';

const Health = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });

/** The routes for the systems that watch this process: health checks. */
export function serviceRoutes({ database }: ApiDeps): Endpoint[] {
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
      read: () => readinessOf(database),
    }),
  ];
}
