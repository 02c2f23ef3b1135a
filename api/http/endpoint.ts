import type { Context } from 'koa';
import type { z } from 'zod';
import type { AuditEntry } from '../../db/ops/audit.ts';
import type { Operation } from '../../db/ops/operations.ts';
import type { Transaction } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import type { Access, Caller } from './caller.ts';
import { Problem, type ProblemCode } from './problems.ts';
import type { Tag } from './tags.ts';

/** A member of a union is strict as well. */
type BodySchema = z.ZodObject | z.ZodDiscriminatedUnion;
type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;
export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

export type Request<Params = unknown, Query = unknown, Body = unknown> = {
  params: Params;
  query: Query;
  body: Body;
  /** Of a public route, nobody. */
  caller: Caller;
  /** Where the caller holds the scope that the route asks for. */
  tenant: TenantScope;
  ip: string;
  requestId: string;
  /** The revision that `If-Match` names. */
  ifMatch?: number;
  ctx: Context;
};

export type WriteRequest<Params = unknown, Query = unknown, Body = unknown> = Request<Params, Query, Body> & {
  trx: Transaction;
  /** Records the act in this transaction, with who and where from. */
  audit(entry: Omit<AuditEntry, 'actor' | 'ip' | 'requestId'>): Promise<void>;
};

/** More than a body: made by `reply`. */
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
  /** Becomes the `ETag` of an endpoint that has one. */
  revision?: number;
  /** The last id of this page, where there is a next one: becomes the `Link`. */
  next?: string | undefined;
  /** Long work: is put into the body, and may be waited for. */
  operation?: Operation;
  /** The body anew, for who has waited until that has ended. */
  renew?(): Promise<unknown>;
};

/** The parts of a reply whose body has a known type, for functions that several routes call. */
export type ReplyOf<Body> = ReplyParts & { body: Body };

export function reply(parts: ReplyParts): Reply {
  return new Reply(parts);
}

/** For a raw route that some callers sign in for. */
export type RawTools = { authenticate(ctx: Context): Promise<Caller> };

export type Endpoint = {
  method: Method;
  path: string;
  operationId: string;
  tag: Tag;
  summary: string;
  description?: string;
  access: Access;
  /** Minds what a caller is narrowed to: tokens of one app or one build are answered, and nowhere else. */
  forNarrow?: boolean;
  /** Public, but not limited by address: a probe must not fail, and webhooks are counted by what they are. */
  unlimited?: boolean;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: BodySchema;
  /** Sends the revision of the resource as its `ETag`. */
  etag?: boolean;
  success: { status: number; body?: z.ZodType; description?: string; contentType?: string };
  /** Beyond those that every route may answer. */
  problems?: ProblemCode[];
  /** Members of the answer that are secret: they are not kept for an `Idempotency-Key`. */
  secret?: string[];
  /** Looks only: no transaction, so it may ask a provider. */
  read?(request: Request): Promise<unknown>;
  /** What a write must ask a provider for: before its transaction, which would hold up all others meanwhile. */
  prepare?(request: Request): Promise<unknown>;
  /** Asked for by many at once: several requests share a transaction, and one that is refused is written alone. */
  grouped?: boolean;
  /** Everything in one transaction, which a thrown problem takes back. Must not ask a provider. */
  write?(request: WriteRequest & { prepared: unknown }): Promise<unknown>;
  /** Answers by itself, outside the frame. */
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

/** One definition routes, checks and documents; its schemas type the handler. */
export function endpoint<
  Params extends z.ZodObject | undefined = undefined,
  Query extends z.ZodObject | undefined = undefined,
  Body extends BodySchema | undefined = undefined,
  Prepared = undefined,
>(definition: Definition<Params, Query, Body, Prepared>): Endpoint {
  return definition as unknown as Endpoint;
}

/** Refuses an update of what was changed meanwhile. */
export function requireRevision({ ifMatch }: { ifMatch?: number | undefined }, revision: number): void {
  if (ifMatch === undefined || ifMatch === revision) return;
  throw new Problem('precondition_failed', 'Read the resource again and send the new `ETag` as `If-Match`.');
}
