import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import { Histogram, type Registry } from 'prom-client';
import { isTransient } from '../../db/store/errors.ts';
import { UnreadableSecret } from '../../db/store/sealing.ts';
import type { Logger } from '../../log.ts';
import { prefersPage, showRefusal } from './html-page.ts';
import { catalogue, Problem, problemDocument } from './problems.ts';

/** `sessionToken` is the session whose cookie identified the caller. */
export type FrameState = { requestId: string; routePath?: string; sessionToken?: string };

/**
 * A year, as browsers recommend. It has no `includeSubDomains`, because other services of the operator can be below the
 * same name. It has no `preload`, because leaving that list takes months.
 */
const strictTransport = 'max-age=31536000';

/** The outermost middleware. It assigns the request id and turns every error into `application/problem+json`. */
export function requestFrame({
  logger,
  registry,
  links: { publicUrl },
}: {
  logger: Logger;
  registry: Registry;
  links: { publicUrl: string };
}): Middleware {
  const isHttps = publicUrl.startsWith('https:');
  const durations = new Histogram({
    name: 'fairlead_http_request_duration_seconds',
    help: 'Time to answer, by route',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });

  return async (ctx, next) => {
    const started = performance.now();
    const given = ctx.get('x-request-id');
    const requestId = /^[\w.-]{8,64}$/.test(given) ? given : randomUUID();
    const state = ctx.state as FrameState;
    state.requestId = requestId;
    ctx.set({
      'x-request-id': requestId,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      ...(isHttps && { 'strict-transport-security': strictTransport }),
    });
    try {
      await next();
      if (ctx.body === undefined && ctx.status === 404) refuseUnknown(ctx);
      if (ctx.body === undefined && [405, 501].includes(ctx.status)) throw new Problem('method_not_allowed');
    } catch (error) {
      const problem = error instanceof Problem ? error : failureOf(error);
      const said = { err: error, method: ctx.method, route: state.routePath, requestId };
      if (problem.code === 'internal') logger.error(said, 'Request failed');
      else if (problem !== error) logger.warn(said, 'Request refused for now');
      answerProblem(ctx, problem, requestId);
    }
    const ms = performance.now() - started;
    const route = state.routePath ?? 'none';
    durations.observe({ method: ctx.method, route, status: ctx.status }, ms / 1000);
    logger.debug({ method: ctx.method, route, status: ctx.status, ms: Math.round(ms), requestId }, 'Request answered');
  };
}

/** Shows a person at an unknown address a page. Every other client gets a problem document. */
function refuseUnknown(ctx: Context): void {
  const problem = new Problem('not_found');
  if (ctx.method !== 'GET' || !prefersPage(ctx)) throw problem;
  showRefusal(ctx, problem);
}

/**
 * Returns `secret_unreadable` for a stored secret that does not open, because a person must act. Returns `unavailable`
 * for a database that is unreachable or full, because a retry can succeed. Any other error is a defect of Fairlead.
 */
function failureOf(error: unknown): Problem {
  if (error instanceof UnreadableSecret) return new Problem(error.code, error.message);
  if (!isTransient(error)) return new Problem('internal');
  return new Problem('unavailable', undefined, { headers: { 'retry-after': '5' } });
}

function answerProblem(ctx: Context, problem: Problem, requestId: string): void {
  ctx.status = catalogue[problem.code].status;
  if (problem.extra.headers) ctx.set(problem.extra.headers);
  if (problem.code === 'unauthenticated') ctx.set('www-authenticate', 'Bearer');
  ctx.body = JSON.stringify(problemDocument(problem, requestId));
  ctx.type = 'application/problem+json';
}
