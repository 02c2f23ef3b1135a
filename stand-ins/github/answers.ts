import type { IncomingHttpHeaders } from 'node:http';
import type { App, Installation, State, Token } from './state.ts';

/** One request, read. */
export type Call = {
  state: State;
  method: string;
  /** Below the API's root, as it came over the wire. */
  path: string;
  params: Record<string, string>;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
  /** Works that go on after the answer has left: runs that progress, webhooks. */
  later(work: () => Promise<unknown> | unknown): void;
};

export type Answer = { status: number; body?: unknown; headers?: Record<string, string>; raw?: string };

export type Route = {
  method: string;
  /** As in GitHub's OpenAPI document; `{+name}` takes slashes too. */
  path: string;
  handle(call: Call): Answer;
};

/** A route of the browser's side; nothing, where the page does not exist. */
export type Page = Omit<Route, 'handle'> & { handle(call: Call): Answer | undefined };

/** What GitHub answers instead of the route's own answer. */
export class Refused extends Error {
  readonly status: number;
  readonly extra: Record<string, unknown>;
  constructor(status: number, message: string, extra: Record<string, unknown> = {}) {
    super(message);
    this.status = status;
    this.extra = extra;
  }
}

export function errorBody(status: number, message: string, extra: Record<string, unknown> = {}) {
  return { message, ...extra, documentation_url: 'https://docs.github.com/rest', status: String(status) };
}

/** The version whose changes touch us: a dispatch always tells its run, uninstalling only promises. */
export function isVersionOf2026({ headers }: Pick<Call, 'headers'>): boolean {
  return headers['x-github-api-version'] === '2026-03-10';
}

export function ok(body: unknown): Answer {
  return { status: 200, body };
}

/** One page of a list, with GitHub's Link header. */
export function page<T>(call: Call, items: T[], toBody: (items: T[]) => unknown): Answer {
  const perPage = clamp(Number(call.query.get('per_page') ?? 30), 100);
  const number = clamp(Number(call.query.get('page') ?? 1), Number.MAX_SAFE_INTEGER);
  const last = Math.max(1, Math.ceil(items.length / perPage));
  const link = (target: number, rel: string) => {
    const query = new URLSearchParams(call.query);
    query.set('page', String(target));
    return `<${call.state.apiUrl}${call.path}?${query}>; rel="${rel}"`;
  };
  const links = [
    ...(number > 1 ? [link(number - 1, 'prev')] : []),
    ...(number < last ? [link(number + 1, 'next'), link(last, 'last')] : []),
    ...(number > 1 ? [link(1, 'first')] : []),
  ];
  return {
    status: 200,
    body: toBody(items.slice((number - 1) * perPage, number * perPage)),
    ...(links.length > 0 && { headers: { link: links.join(', ') } }),
  };
}

function clamp(value: number, most: number): number {
  return Number.isInteger(value) && value > 0 ? Math.min(value, most) : 1;
}

export type Caller = { app: App; installation: Installation; token: Token };
