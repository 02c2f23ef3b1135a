import Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { type AuditEntry, appendAudit } from '../../db/ops/audit.ts';
import { allOperations, type Operation } from '../../db/ops/operations.ts';
import { createBatch } from '../../db/store/batch.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import type { Authenticate } from './authenticate.ts';
import { type Caller, tenantFor } from './caller.ts';
import { type Endpoint, Reply, type ReplyParts, type Request } from './endpoint.ts';
import { prefersPage, showRefusal } from './html-page.ts';
import { type Answer, answered, keyOf, onlyOnce } from './idempotency.ts';
import { check, cursorAfter, noQuery, refuseNul } from './input.ts';
import { type OperationLinks, operationView } from './operation-view.ts';
import { catalogue, Outdated, Problem } from './problems.ts';
import type { RateLimiter } from './rate-limit.ts';
import { readJson } from './read-body.ts';
import type { FrameState } from './request-frame.ts';
import { isPaged } from './response-headers.ts';

const nobody: Caller = { id: 'anonymous', kind: 'session', grants: [], ops: false };
const maxWaitSeconds = 30;
const mostPreparations = 3;

export type MountDeps = { database: Database; authenticate: Authenticate; links: OperationLinks; limiter: RateLimiter };

/**
 * Routes the requests to the endpoints. Checks the caller, the permissions and the request, and then runs the handler.
 */
export function mount(endpoints: Endpoint[], deps: MountDeps): Middleware[] {
  // Match paths exactly. CORS and idempotency use the path as a key, so each path must have one spelling.
  const router = new Router({ sensitive: true, strict: true });
  for (const endpoint of endpoints) {
    const path = endpoint.path.replaceAll(/\{(\w+)\}/g, ':$1');
    router[endpoint.method](path, async (ctx: Context) => {
      (ctx.state as FrameState).routePath = endpoint.path;
      if (endpoint.access === 'public' && !endpoint.unlimited) return visit(ctx, endpoint, deps);
      await serve(ctx, endpoint, deps);
    });
  }
  // Sends `Allow`. The frame turns the empty 405 into a problem.
  return [router.routes() as unknown as Middleware, router.allowedMethods() as unknown as Middleware];
}

async function serve(ctx: Context, endpoint: Endpoint, deps: MountDeps): Promise<void> {
  const { raw, page } = endpoint;
  if (raw) return (page ? forPeople(raw) : raw)(ctx, deps);
  await answer(ctx, endpoint, await handle(ctx, endpoint, deps));
}

/** Limits public requests by address, and failed authentication as well. */
async function visit(ctx: Context, endpoint: Endpoint, deps: MountDeps): Promise<void> {
  const { limiter } = deps;
  limiter.admitPublic(ctx.ip);
  try {
    await serve(ctx, endpoint, deps);
  } catch (error) {
    // `authenticate` has already counted a wrong token.
    const wrong = error instanceof Problem && error.code !== 'unauthenticated' && catalogue[error.code].status === 401;
    if (wrong) limiter.noteFailure(ctx.ip);
    throw error;
  }
  if (ctx.status === 401) limiter.noteFailure(ctx.ip);
}

async function handle(ctx: Context, endpoint: Endpoint, deps: MountDeps): Promise<Answer> {
  const { database, links } = deps;
  const request = await readRequest(ctx, endpoint, deps);
  const { read, write } = endpoint;
  const done = read
    ? await presented(ctx, endpoint, links, () => read(request))
    : write && (await carryOut(ctx, endpoint, request, write, deps));
  if (!done) throw new Error(`${endpoint.operationId} does nothing`);

  const { answer, operation, renew } = done;
  const waitMs = waitSeconds(ctx) * 1000;
  if (operation?.status !== 'running' || waitMs === 0) return answer;
  const ended = await waitFor(database, operation.id, waitMs);
  if (!ended) return answer;
  const body = (await renew?.()) ?? JSON.parse(answer.body ?? '{}');
  const parts = { ...body, operation: operationView(ended, links) };
  // The operation has ended, so a 202 becomes a 200. A 201 stays.
  const status = answer.status === 202 ? 200 : answer.status;
  return { ...answer, status, body: JSON.stringify(endpoint.success.body?.parse(parts) ?? parts) };
}

type Write = (work: (trx: Transaction) => Promise<Done>) => Promise<Done>;
const groups = new WeakMap<Database, Write>();

/** Returns the batch that commits concurrent writes together. */
function groupOf(database: Database): Write {
  const known = groups.get(database);
  if (known) return known;
  const batch = createBatch<Parameters<Write>[0], Done>({
    database,
    maxBatchItems: 50,
    async write(trx, works) {
      const results: Done[] = [];
      for (const work of works) results.push(await work(trx));
      return results;
    },
  });
  groups.set(database, batch.add);
  return batch.add;
}

type Done = Pick<ReplyParts, 'operation' | 'renew'> & { answer: Answer };

/** Runs the effect, its audit rows and its idempotency key in one transaction. */
async function carryOut(
  ctx: Context,
  endpoint: Endpoint,
  request: Request,
  write: NonNullable<Endpoint['write']>,
  { database, links }: MountDeps,
): Promise<Done> {
  const { caller, ip, requestId, body } = request;
  const key = ctx.get('idempotency-key');
  const keyed =
    key && caller !== nobody && keyOf({ callerId: caller.id, key, method: ctx.method, path: ctx.path, body });
  // A repeated request gets its first response, even if the provider would now respond differently.
  const again = keyed && endpoint.prepare && (await answered(database.reader, keyed));
  if (again) return { answer: again };

  const inTransaction = endpoint.grouped ? groupOf(database) : database.write;
  return retryIfOutdated(async () => {
    const prepared = await endpoint.prepare?.(request);
    return inTransaction(async (trx) => {
      let done: Done | undefined;
      const work = async () => {
        const audit = (entry: Omit<AuditEntry, 'actor' | 'ip' | 'requestId'>) =>
          appendAudit(trx, { ...entry, actor: caller.id, ip, requestId });
        done = await presented(ctx, endpoint, links, () => write({ ...request, prepared, trx, audit }));
        return done.answer;
      };
      const answer = keyed ? await onlyOnce(trx, keyed, endpoint.secret ?? [], work) : await work();
      return { ...done, answer };
    });
  });
}

/** Repeats preparation and write while the preparation is outdated, up to three times. */
async function retryIfOutdated(attempt: () => Promise<Done>): Promise<Done> {
  for (let left = mostPreparations - 1; left > 0; left -= 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Outdated)) throw error;
    }
  }
  return attempt();
}

async function presented(
  ctx: Context,
  endpoint: Endpoint,
  links: OperationLinks,
  work: () => Promise<unknown>,
): Promise<Done> {
  const parts = toParts(await work());
  const { operation, renew } = parts;
  return { answer: present(ctx, endpoint, parts, links), ...(operation && { operation }), ...(renew && { renew }) };
}

async function readRequest(ctx: Context, endpoint: Endpoint, { authenticate }: MountDeps): Promise<Request> {
  const { access } = endpoint;
  const caller = access === 'public' ? nobody : await authenticate(ctx);
  if (caller.narrowedTo && !endpoint.forNarrow) {
    throw new Problem('missing_scope', 'A token for one app or one build can only exchange credentials.');
  }
  const tenant = access === 'public' ? { kind: 'grants' as const, grants: [] } : tenantFor(caller, access);
  const params = endpoint.params?.safeParse(ctx['params']);
  // A malformed id is treated like an unknown one.
  if (params && !params.success) throw new Problem('not_found');
  const { wait: _, ...query } = ctx.query;
  const match = /^(?:W\/)?"(\d{1,15})"$/.exec(ctx.get('if-match'))?.[1];
  if (endpoint.write && ctx.get('if-match') && ctx.get('if-match') !== '*' && match === undefined) {
    throw new Problem('precondition_failed');
  }
  refuseNul(query);
  return {
    params: params?.data,
    query: check('query', endpoint.query ?? noQuery, query),
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

/** Builds the response. The schema drops unnamed members, so that a new column cannot leak by accident. */
function present(ctx: Context, endpoint: Endpoint, parts: ReplyParts, links: OperationLinks): Answer {
  const headers: Record<string, string> = { ...parts.headers };
  if (endpoint.etag && parts.revision !== undefined) headers['etag'] = `"${parts.revision}"`;
  if (isPaged(endpoint) && parts.next !== undefined) headers['link'] = nextLink(ctx, parts.next);
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
  ctx.status = status; // must follow the body, because Koa turns a null body into 204
  if (body !== null) ctx.type = endpoint.success.contentType ?? 'application/json';
}

function waitSeconds(ctx: Context): number {
  const asked = ctx.query['wait'] ?? /(?:^|[,;\s])wait=(\d+)/.exec(ctx.get('prefer'))?.[1];
  const seconds = Number(asked ?? 0);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), maxWaitSeconds) : 0;
}

/** Waits until the operation has ended. Reads its row every quarter of a second. */
async function waitFor(database: Database, operationId: string, waitMs: number): Promise<Operation | undefined> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const operation = await allOperations(database.reader).find(operationId);
    if (operation && operation.status !== 'running') return operation;
    if (Date.now() >= deadline) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Shows a refusal as a page to a browser. Every other client gets a problem document. */
function forPeople(raw: NonNullable<Endpoint['raw']>): NonNullable<Endpoint['raw']> {
  return async (ctx, tools) => {
    try {
      await raw(ctx, tools);
    } catch (error) {
      if (!(error instanceof Problem) || !prefersPage(ctx)) throw error;
      showRefusal(ctx, error);
    }
  };
}
