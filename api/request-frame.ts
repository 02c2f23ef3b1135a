import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import { Histogram, type Registry } from 'prom-client';
import type { Logger } from '../log.ts';
import { catalogue, Problem, problemDocument } from './problems.ts';

export type FrameState = { requestId: string; routePath?: string };

/** The outermost middleware: names the request, and whatever goes wrong below leaves as `application/problem+json`. */
export function requestFrame({ logger, registry }: { logger: Logger; registry: Registry }): Middleware {
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
    });
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined) throw new Problem('not_found');
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem('internal');
      if (problem !== error) logger.error({ err: error, method: ctx.method, requestId }, 'Request failed');
      answerProblem(ctx, problem, requestId);
    }
    const ms = performance.now() - started;
    const route = state.routePath ?? 'none';
    durations.observe({ method: ctx.method, route, status: ctx.status }, ms / 1000);
    logger.debug({ method: ctx.method, route, status: ctx.status, ms: Math.round(ms), requestId }, 'Request answered');
  };
}

function answerProblem(ctx: Context, problem: Problem, requestId: string): void {
  ctx.status = catalogue[problem.code].status;
  if (problem.extra.headers) ctx.set(problem.extra.headers);
  if (problem.code === 'unauthenticated') ctx.set('www-authenticate', 'Bearer');
  ctx.body = JSON.stringify(problemDocument(problem, requestId));
  ctx.type = 'application/problem+json';
}
