import { App } from '@octokit/app';
import { Octokit } from '@octokit/core';
import type { GitHubHost } from '../../domain/github-host.ts';
import { type Fetch, ProviderError } from '../http.ts';
import { type Call, failureOf, silenceOf } from './failures.ts';

/** How one GitHub is spoken to. */
export type Wire = { host: GitHubHost; fetch: Fetch; userAgent: string; now: () => number; timeoutMs: number };

export type Request = Octokit['request'];

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Requests signed as the App. The library makes the JWT, and once more where its clock is off; it retries nothing else. */
export function appRequest(wire: Wire, app: { appId: string | number; privateKey: string }): Request {
  return new App({ ...app, Octokit: Octokit.defaults(optionsOf(wire)), log: silent }).octokit.request;
}

export function tokenRequest(wire: Wire, token: string): Request {
  return new Octokit({ ...optionsOf(wire), auth: token }).request;
}

/** For a client without anybody's credentials. */
export function optionsOf({ host, fetch, userAgent, timeoutMs }: Wire) {
  const versioned: Fetch = async (url, init = {}) => {
    // A tenant's file or branch called `..` would make this the address of something else.
    if (/\/\.\.?(?:[/?]|$)/.test(String(url))) throw unsafePath();
    const headers = new Headers(init.headers);
    headers.set('accept', 'application/vnd.github+json');
    headers.set('x-github-api-version', host.apiVersion);
    headers.set('user-agent', userAgent);
    // fetch turns a redirected POST into a GET, and a repository that moved must be resolved anew anyway.
    return fetch(url, { ...init, headers, redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) });
  };
  return { baseUrl: host.api, log: silent, request: { fetch: versioned } };
}

type Sent<Data> = Promise<{ status: number; headers: Record<string, unknown>; data: Data }>;

/**
 * Sends one request once and converts its answer. Whatever goes wrong leaves as a `ProviderError`, an answer that is
 * not what GitHub documents included: the host may be anyone's.
 */
export async function send<Data, Result>(
  call: Call,
  request: () => Sent<Data>,
  convert: (data: Data, answer: Awaited<Sent<Data>>) => Result,
): Promise<Result> {
  let answer: Awaited<Sent<Data>>;
  try {
    answer = await request();
  } catch (error) {
    throw toProviderError(error, call);
  }
  // Octokit hands a redirect back as if it were an answer.
  if (answer.status >= 300) throw failureOf({ ...answer, message: '' }, call);
  try {
    return convert(answer.data, answer);
  } catch {
    throw unreadable(answer.status, call);
  }
}

/** For what may be absent: "no" is an answer. */
export async function orUndefined<Result>(sent: Promise<Result>): Promise<Result | undefined> {
  try {
    return await sent;
  } catch (error) {
    if (error instanceof ProviderError && error.status === 404) return undefined;
    throw error;
  }
}

/**
 * The number of the next page, always further than `page`. Only the number is taken from the answer: its address is
 * not ours to follow.
 */
export function nextPage({ headers }: { headers: Record<string, unknown> }, page = 0): number | undefined {
  const links = String(headers['link'] ?? '').split(',');
  const next = links.find((link) => link.includes('rel="next"'));
  const number = Number(next?.match(/[?&]page=(\d{1,6})[&>]/)?.[1] ?? 0);
  return number > page ? number : undefined;
}

/** Every id of GitHub's is a number; one that is not would be stored as another repository's. */
export function idIn(value: { id: unknown }): number {
  if (Number.isSafeInteger(value.id)) return value.id as number;
  throw new TypeError('not an id');
}

/** Times are milliseconds with us. */
export function timeIn(value: string | null | undefined): number {
  const at = Date.parse(value ?? '');
  if (Number.isNaN(at)) throw new TypeError('not a time');
  return at;
}

function toProviderError(error: unknown, call: Call): ProviderError {
  const response = responseOf(error);
  if (response) return failureOf(response, call);
  return error instanceof Error && error.cause instanceof ProviderError ? error.cause : silenceOf(error, call);
}

/** Octokit's error carries the request, with its headers and its body: only what is picked here leaves. */
function responseOf(error: unknown) {
  if (!(error instanceof Error) || !('response' in error) || typeof error.response !== 'object') return undefined;
  const { status, headers, data } = error.response as {
    status: number;
    headers: Record<string, unknown>;
    data: unknown;
  };
  const message = typeof data === 'object' && data !== null && 'message' in data ? data.message : '';
  return { status, headers, message: typeof message === 'string' ? message : '' };
}

function unreadable(status: number, call: Call): ProviderError {
  return new ProviderError({
    provider: 'github',
    code: 'unexpected',
    status,
    message: `GitHub answered ${status} with a body that is not the documented one`,
    ambiguous: call.method === 'POST',
  });
}

function unsafePath(): ProviderError {
  return new ProviderError({ provider: 'github', code: 'validation', message: 'A name must not be . or ..' });
}
