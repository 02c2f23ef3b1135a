import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import type { Config } from '../../config.ts';
import type { Logger } from '../../log.ts';
import { sameSecret } from '../http/authenticate.ts';
import { ListenError, type Listening, listen } from '../http/listen.ts';
import { Problem } from '../http/problems.ts';
import type { Readiness } from './readiness.ts';

/** The port that Prometheus exporters of this kind use. */
const usualPort = 9464;

type Answer = { status: number; type: string; body: string };

/**
 * Serves `/metrics`, `/healthz` and `/readyz` of one process on a port of their own, on loopback unless the operator
 * sets FAIRLEAD_METRICS_HOST. `/metrics` needs the Bearer token if one is set. The two checks never do.
 */
export async function serveMetrics({
  config: { host, port, token },
  registry,
  readiness,
  logger,
}: {
  config: Config['metrics'];
  registry: Registry;
  readiness(): Promise<Readiness>;
  logger: Logger;
}): Promise<{ url: string; stop(): Promise<void> }> {
  const listening = await listenAt(host, port, logger);
  listening.serve((request, response) => {
    answer(request).then(
      (given) => reply(response, request, given),
      (err: unknown) => {
        logger.error({ err, path: request.url }, 'A request on the metrics port failed');
        reply(response, request, text(500, 'Internal error'));
      },
    );
  });

  async function answer(request: IncomingMessage): Promise<Answer> {
    const [path] = (request.url ?? '').split('?');
    if (!['GET', 'HEAD'].includes(request.method ?? '')) return text(405, 'Use GET');
    if (path === '/healthz') return json(200, { status: 'ok' });
    if (path === '/readyz') return readinessAnswer(readiness);
    if (path !== '/metrics') return text(404, 'Not found. This port has /metrics, /healthz and /readyz');
    if (!isAllowed(request.headers.authorization, token))
      return text(401, 'Send FAIRLEAD_METRICS_TOKEN as Bearer token');
    return { status: 200, type: registry.contentType, body: await registry.metrics() };
  }

  const url = `http://${host.includes(':') ? `[${host}]` : host}:${listening.port}`;
  logger.info({ url: `${url}/metrics` }, 'Metrics are served');
  return { url, stop: () => listening.stop(0) };
}

/** Without a setting, a taken port is no reason not to start: another process of Fairlead on this machine has it. */
async function listenAt(host: string, port: number | undefined, logger: Logger): Promise<Listening> {
  const names = { host: 'FAIRLEAD_METRICS_HOST', port: 'FAIRLEAD_METRICS_PORT' };
  if (port !== undefined) return listen({ host, port, names });
  try {
    return await listen({ host, port: usualPort, names });
  } catch (error) {
    if (!(error instanceof ListenError) || error.reason !== 'EADDRINUSE') throw error;
    logger.warn(`Port ${usualPort} is taken, so the metrics get another one. Set FAIRLEAD_METRICS_PORT to choose it`);
    return listen({ host, port: 0, names });
  }
}

function isAllowed(authorization: string | undefined, token: string | undefined): boolean {
  if (token === undefined) return true;
  const [, given] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
  return given !== undefined && sameSecret(given, token);
}

async function readinessAnswer(readiness: () => Promise<Readiness>): Promise<Answer> {
  try {
    return json(200, await readiness());
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return json(503, { status: 'unavailable', reason: error.message });
  }
}

function json(status: number, body: object): Answer {
  return { status, type: 'application/json', body: JSON.stringify(body) };
}

function text(status: number, body: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n` };
}

function reply(response: ServerResponse, request: IncomingMessage, { status, type, body }: Answer): void {
  request.resume();
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(body),
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(status === 405 && { allow: 'GET, HEAD' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
