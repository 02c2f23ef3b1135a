import type { IncomingHttpHeaders } from 'node:http';
import type { App, Installation, State, Token } from './state.ts';

/** One parsed request. */
export type Call = {
  state: State;
  method: string;
  /** The path below the API's root, as it was sent. */
  path: string;
  params: Record<string, string>;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
  /** Starts work that continues after the response: runs that progress, and webhooks. */
  later(work: () => Promise<unknown> | unknown): void;
};

export type Answer = { status: number; body?: unknown; headers?: Record<string, string>; raw?: string };

export type Route = {
  method: string;
  /** The path as in GitHub's OpenAPI document. `{+name}` also matches slashes. */
  path: string;
  handle(call: Call): Answer;
};

/** Handles a route of the browser's side. It returns nothing if the page does not exist. */
export type Page = Omit<Route, 'handle'> & { handle(call: Call): Answer | undefined };

/** An error that GitHub returns instead of the route's response. */
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

/** The version whose changes affect Fairlead: a dispatch always returns its run, and uninstalling is asynchronous. */
export function isVersionOf2026({ headers }: Pick<Call, 'headers'>): boolean {
  return headers['x-github-api-version'] === '2026-03-10';
}

export function ok(body: unknown): Answer {
  return { status: 200, body };
}

/** Returns one page of a list with GitHub's Link header. */
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
