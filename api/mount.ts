import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { appendAudit } from '../db/audit.ts';
import type { Database } from '../db/connection.ts';
import { type Operation, operationsIn } from '../db/operations.ts';
import { everything } from '../db/tenant.ts';
import type { Authenticate } from './authenticate.ts';
import { type Caller, tenantFor } from './caller.ts';
import { type Endpoint, Reply, type ReplyParts, type Request } from './endpoint.ts';
import { type Answer, onlyOnce } from './idempotency.ts';
import { check, cursorAfter, readJson } from './input.ts';
import { type OperationLinks, operationView } from './operation-view.ts';
import { Problem } from './problems.ts';
import type { FrameState } from './request-frame.ts';

const nobody: Caller = { id: 'anonymous', kind: 'session', grants: [], ops: false };
const maxWaitSeconds = 30;

export type MountDeps = { database: Database; authenticate: Authenticate; links: OperationLinks };

/** Routes the endpoints: who asks, what may they, is the request well formed, then the handler. */
export function mount(endpoints: Endpoint[], deps: MountDeps): Middleware[] {
  const router = new Router();
  for (const endpoint of endpoints) {
    const path = endpoint.path.replaceAll(/\{(\w+)\}/g, ':$1');
    router[endpoint.method](path, async (ctx: Context) => {
      (ctx.state as FrameState).routePath = endpoint.path;
      if (endpoint.raw) return endpoint.raw(ctx);
      await answer(ctx, endpoint, await handle(ctx, endpoint, deps));
    });
  }
  const refuse = (): never => {
    throw new Problem('method_not_allowed');
  };
  return [
    router.routes() as unknown as Middleware,
    router.allowedMethods({ throw: true, methodNotAllowed: refuse, notImplemented: refuse }) as unknown as Middleware,
  ];
}

async function handle(ctx: Context, endpoint: Endpoint, deps: MountDeps): Promise<Answer> {
  const { database, links } = deps;
  const request = await readRequest(ctx, endpoint, deps);
  if (endpoint.read) return present(ctx, endpoint, toParts(await endpoint.read(request)), links);

  const { write } = endpoint;
  if (!write) throw new Error(`${endpoint.operationId} does nothing`);
  const prepared = await endpoint.prepare?.(request);
  let operation: Operation | undefined;
  const key = ctx.get('idempotency-key');
  const answered = await database.write(async (trx) => {
    const work = async () => {
      const { caller, ip, requestId } = request;
      const parts = toParts(
        await write({
          ...request,
          prepared,
          trx,
          audit: (entry) => appendAudit(trx, { ...entry, actor: caller.id, ip, requestId }),
        }),
      );
      operation = parts.operation;
      return present(ctx, endpoint, parts, links);
    };
    if (!key || request.caller === nobody) return work();
    const { method, path } = ctx;
    const keyed = {
      callerId: request.caller.id,
      key,
      method,
      path,
      body: request.body,
      secret: endpoint.secret ?? false,
    };
    return onlyOnce(trx, keyed, work);
  });
  const waitMs = waitSeconds(ctx) * 1000;
  if (!operation || waitMs === 0) return answered;
  return { ...answered, ...(await waitFor(database, operation.id, waitMs, answered, links)) };
}

async function readRequest(ctx: Context, endpoint: Endpoint, { authenticate }: MountDeps): Promise<Request> {
  const { access } = endpoint;
  const caller = access === 'public' ? nobody : await authenticate(ctx);
  const tenant = access === 'public' ? { kind: 'grants' as const, grants: [] } : tenantFor(caller, access);
  const params = endpoint.params?.safeParse(ctx['params']);
  // An id that cannot be one is as absent as any other.
  if (params && !params.success) throw new Problem('not_found');
  const { wait: _, ...query } = ctx.query;
  const match = /^(?:W\/)?"(\d{1,15})"$/.exec(ctx.get('if-match'))?.[1];
  if (ctx.get('if-match') && ctx.get('if-match') !== '*' && match === undefined)
    throw new Problem('precondition_failed');
  return {
    params: params?.data,
    query: endpoint.query ? check('query', endpoint.query, query) : undefined,
    body: endpoint.body ? check('body', endpoint.body, await readJson(ctx.req)) : undefined,
    caller,
    tenant,
    ip: ctx.ip,
    requestId: (ctx.state as FrameState).requestId,
    ...(match !== undefined && { ifMatch: Number(match) }),
    ctx,
  };
}

function toParts(result: unknown): ReplyParts {
  return result instanceof Reply ? result.parts : { body: result };
}

/** The schema drops what it does not name, so that a new column cannot leak by accident. */
function present(ctx: Context, endpoint: Endpoint, parts: ReplyParts, links: OperationLinks): Answer {
  const headers: Record<string, string> = { ...parts.headers };
  if (parts.revision !== undefined) headers['etag'] = `"${parts.revision}"`;
  if (parts.next !== undefined) headers['link'] = nextLink(ctx, parts.next);
  const { body: schema } = endpoint.success;
  const body = parts.operation
    ? { ...(parts.body as object | undefined), operation: operationView(parts.operation, links) }
    : parts.body;
  return {
    status: parts.status ?? endpoint.success.status,
    headers,
    body: schema ? JSON.stringify(schema.parse(body)) : null,
  };
}

function nextLink(ctx: Context, lastId: string): string {
  const query = new URLSearchParams(ctx.querystring);
  query.set('cursor', cursorAfter(lastId));
  return `<${ctx.path}?${query}>; rel="next"`;
}

async function answer(ctx: Context, endpoint: Endpoint, { status, headers, body }: Answer): Promise<void> {
  ctx.set(headers);
  ctx.body = body;
  ctx.status = status; // after the body: Koa turns a null body into 204
  if (body !== null) ctx.type = endpoint.success.contentType ?? 'application/json';
}

function waitSeconds(ctx: Context): number {
  const asked = ctx.query['wait'] ?? /(?:^|[,;\s])wait=(\d+)/.exec(ctx.get('prefer'))?.[1];
  const seconds = Number(asked ?? 0);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), maxWaitSeconds) : 0;
}

/** Waits on the operation's row: it is looked at when one has ended in this process, and every quarter second. */
async function waitFor(
  database: Database,
  operationId: string,
  waitMs: number,
  answered: Answer,
  links: OperationLinks,
): Promise<Partial<Answer>> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const operation = await operationsIn(database.reader, everything).find(operationId);
    if (operation && operation.status !== 'running') {
      const body = { ...JSON.parse(answered.body ?? '{}'), operation: operationView(operation, links) };
      return { status: 200, body: JSON.stringify(body) };
    }
    if (Date.now() >= deadline) return {};
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
