import type { Context } from 'koa';
import type { z } from 'zod';
import type { AuditEntry } from '../../db/ops/audit.ts';
import type { Operation } from '../../db/ops/operations.ts';
import type { Transaction } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import type { Authenticate } from './authenticate.ts';
import type { Access, Caller } from './caller.ts';
import { Problem, type ProblemCode } from './problems.ts';
import type { Tag } from './tags.ts';

/** In a union, every member must be strict as well. */
type BodySchema = z.ZodObject | z.ZodDiscriminatedUnion;
type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;
export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export type Request<Params = unknown, Query = unknown, Body = unknown> = {
  params: Params;
  query: Query;
  body: Body;
  /** On a public route, the placeholder `nobody`. */
  caller: Caller;
  /** The organizations and projects in which the caller has the required scope. */
  tenant: TenantScope;
  ip: string;
  requestId: string;
  /** The revision from `If-Match`. */
  ifMatch?: number;
  ctx: Context;
};

export type WriteRequest<Params = unknown, Query = unknown, Body = unknown> = Request<Params, Query, Body> & {
  trx: Transaction;
  /** Writes an audit entry in this transaction, with the caller, the address and the request id. */
  audit(entry: Omit<AuditEntry, 'actor' | 'ip' | 'requestId'>): Promise<void>;
};

/** A response that has more than a body. Create it with `reply`. */
export class Reply {
  readonly parts: ReplyParts;
  constructor(parts: ReplyParts) {
    this.parts = parts;
  }
}

export type ReplyParts = {
  body?: unknown;
  status?: number;
  headers?: Record<string, string>;
  /** Becomes the `ETag`, if the endpoint has one. */
  revision?: number;
  /** The last id of this page, if a next page exists. Becomes the `Link`. */
  next?: string | undefined;
  /** The long-running operation. It is added to the body, and the caller can wait for it. */
  operation?: Operation;
  /** Returns the body again, after the caller waited for the operation to end. */
  renew?(): Promise<unknown>;
};

/** The parts of a reply whose body has a known type, for functions that several routes call. */
export type ReplyOf<Body> = ReplyParts & { body: Body };

export function reply(parts: ReplyParts): Reply {
  return new Reply(parts);
}

/** A response that is not a problem. */
export type Success = { status: number; body?: z.ZodType; description?: string; contentType?: string };

/** For a raw route that some callers sign in for. */
export type RawTools = { authenticate: Authenticate };

export type Endpoint = {
  method: Method;
  path: string;
  operationId: string;
  tag: Tag;
  summary: string;
  description?: string;
  access: Access;
  /**
   * Accepts tokens of one app or one build. The handler must apply their limits. All other routes refuse such tokens.
   */
  forNarrow?: boolean;
  /** Skips the rate limit by address: a health check must not fail, and webhooks have limits of their own. */
  unlimited?: boolean;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: BodySchema;
  /** The fields of an HTML form, for the OpenAPI document. A raw route reads them itself. */
  form?: z.ZodObject;
  /** Sends the revision of the resource as its `ETag`. */
  etag?: boolean;
  success: Success;
  /** Other responses that are not problems, such as a page instead of a redirect. */
  others?: Success[];
  /**
   * People visit this raw route. If it refuses, a browser gets a page, and every other client gets a problem document.
   */
  page?: boolean;
  /** The problems beyond those of every route. */
  problems?: ProblemCode[];
  /** The secret members of the response. They are not stored for an `Idempotency-Key`. */
  secret?: string[];
  /** Reads only. It has no transaction, so it may ask a provider. */
  read?(request: Request): Promise<unknown>;
  /** Asks a provider for what a write needs. It runs before the transaction, so that it does not block other writes. */
  prepare?(request: Request): Promise<unknown>;
  /**
   * Set if many callers write at once. Several requests then share a transaction. If one of them fails, each runs again
   * on its own.
   */
  grouped?: boolean;
  /** Does all its work in one transaction, which a thrown problem rolls back. Must not ask a provider. */
  write?(request: WriteRequest & { prepared: unknown }): Promise<unknown>;
  /** Sends the response itself, outside the frame. */
  raw?(ctx: Context, tools: RawTools): Promise<void>;
};

type Definition<
  Params extends z.ZodObject | undefined,
  Query extends z.ZodObject | undefined,
  Body extends BodySchema | undefined,
  Prepared,
> = Omit<Endpoint, 'params' | 'query' | 'body' | 'read' | 'prepare' | 'write'> & {
  params?: Params;
  query?: Query;
  body?: Body;
  read?(request: Request<Output<Params>, Output<Query>, Output<Body>>): Promise<unknown>;
  prepare?(request: Request<Output<Params>, Output<Query>, Output<Body>>): Promise<Prepared>;
  write?(request: WriteRequest<Output<Params>, Output<Query>, Output<Body>> & { prepared: Prepared }): Promise<unknown>;
};

/** Defines a route once, for the router, the checks and the document. Its schemas type the handler. */
export function endpoint<
  Params extends z.ZodObject | undefined = undefined,
  Query extends z.ZodObject | undefined = undefined,
  Body extends BodySchema | undefined = undefined,
  Prepared = undefined,
>(definition: Definition<Params, Query, Body, Prepared>): Endpoint {
  return definition as unknown as Endpoint;
}

/** Refuses an update if the resource has changed since the caller read it. */
export function requireRevision({ ifMatch }: { ifMatch?: number | undefined }, revision: number): void {
  if (ifMatch === undefined || ifMatch === revision) return;
  throw new Problem('precondition_failed', 'Read the resource again and send the new `ETag` as `If-Match`.');
}
