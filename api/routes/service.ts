import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { z } from 'zod';
import { incidentsIn } from '../../db/incidents.ts';
import { relayHealth } from '../../db/relays.ts';
import { everything } from '../../db/tenant.ts';
import { instanceSubject } from '../../domain/incidents.ts';
import type { ApiDeps } from '../deps.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { openApiDocument } from '../openapi.ts';
import { Problem } from '../problems.ts';

const redocFile = createRequire(import.meta.url).resolve('redoc/bundles/redoc.standalone.js');

const docsPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fairlead API</title>
<body>
<redoc spec-url="/openapi.json" disable-search hide-hostname></redoc>
<script src="/docs/redoc.js"></script>
</body>
</html>
`;

/** Redoc sets styles by itself; scripts come from here only. */
const docsPolicy =
  "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; worker-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/** `documented` are all endpoints, these included. */
export function serviceRoutes({ database, registry }: ApiDeps, documented: () => Endpoint[]): Endpoint[] {
  let document: string | undefined;
  let redoc: Promise<Buffer> | undefined;
  return [
    endpoint({
      method: 'get',
      path: '/healthz',
      operationId: 'getHealth',
      tag: 'service',
      summary: 'The process answers',
      access: 'public',
      unlimited: true,
      success: { status: 200, body: z.object({ status: z.literal('ok') }) },
      read: async () => ({ status: 'ok' }),
    }),
    endpoint({
      method: 'get',
      path: '/readyz',
      operationId: 'getReadiness',
      tag: 'service',
      summary: 'Deliveries can be stored',
      description:
        '`degraded` says that builds start late (no relay is at work, or Temporal is away), or that the clock of this machine is wrong by more than a minute. Nothing is lost.',
      access: 'public',
      unlimited: true,
      success: {
        status: 200,
        body: z.object({
          status: z.enum(['ok', 'degraded']),
          reason: z.enum(['no_relay', 'temporal_away', 'clock_skew']).nullable(),
        }),
      },
      async read() {
        const health = await relayHealth(database.reader).catch(() => {
          throw new Problem('unavailable', 'Nothing can be stored: look at the database.');
        });
        if (health !== 'ok') return { status: 'degraded', reason: health };
        const isOff = await incidentsIn(database.reader, everything).isOpen('clock_skew', instanceSubject);
        return isOff ? { status: 'degraded', reason: 'clock_skew' } : { status: 'ok', reason: null };
      },
    }),
    endpoint({
      method: 'get',
      path: '/metrics',
      operationId: 'getMetrics',
      tag: 'service',
      summary: 'Figures for Prometheus',
      access: 'public',
      success: { status: 200, body: z.string(), contentType: 'text/plain' },
      async raw(ctx) {
        ctx.body = await registry.metrics();
        ctx.type = registry.contentType;
      },
    }),
    endpoint({
      method: 'get',
      path: '/openapi.json',
      operationId: 'getOpenApi',
      tag: 'service',
      summary: 'This document',
      access: 'public',
      success: { status: 200, body: z.record(z.string(), z.unknown()) },
      async raw(ctx) {
        document ??= JSON.stringify(openApiDocument(documented()));
        ctx.body = document;
        ctx.type = 'application/json';
      },
    }),
    endpoint({
      method: 'get',
      path: '/docs',
      operationId: 'getDocs',
      tag: 'service',
      summary: 'This document, readable',
      access: 'public',
      success: { status: 200, body: z.string(), contentType: 'text/html' },
      async raw(ctx) {
        ctx.set('content-security-policy', docsPolicy);
        ctx.body = docsPage;
        ctx.type = 'text/html; charset=utf-8';
      },
    }),
    endpoint({
      method: 'get',
      path: '/docs/redoc.js',
      operationId: 'getDocsScript',
      tag: 'service',
      summary: 'What makes it readable',
      access: 'public',
      success: { status: 200, body: z.string(), contentType: 'text/javascript' },
      async raw(ctx) {
        ctx.set('cache-control', 'public, max-age=86400');
        redoc ??= readFile(redocFile);
        redoc.catch(() => {
          redoc = undefined;
        });
        ctx.body = await redoc;
        ctx.type = 'text/javascript';
      },
    }),
  ];
}
