import { App } from '@octokit/app';
import { Octokit } from '@octokit/core';
import { ProviderError, type Fetch } from '../http.ts';
import { type Call, failureOf, silenceOf } from './failures.ts';
import type { GitHubHost } from './host.ts';

/** How one GitHub is spoken to. */
export type Wire = { host: GitHubHost; fetch: Fetch; userAgent: string; now: () => number };

export type Request = Octokit['request'];

/** A call that takes longer has failed; Octokit itself would wait for ever. */
const timeoutMs = 10_000;

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Requests signed as the App. The library makes the JWT, and once more where its clock is off; it retries nothing else. */
export function appRequest(wire: Wire, app: { appId: string | number; privateKey: string }): Request {
  return new App({ ...app, Octokit: Octokit.defaults(optionsOf(wire)), log: silent }).octokit.request;
}

export function tokenRequest(wire: Wire, token: string): Request {
  return new Octokit({ ...optionsOf(wire), auth: token }).request;
}

function optionsOf({ host, fetch, userAgent }: Wire) {
  const versioned: Fetch = (url, init = {}) => {
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

/** Sends one request once. Whatever goes wrong leaves as a `ProviderError`. */
export async function send<Data>(call: Call, request: () => Sent<Data>): Sent<Data> {
  let answer: Awaited<Sent<Data>>;
  try {
    answer = await request();
  } catch (error) {
    throw toProviderError(error, call);
  }
  // Octokit hands a redirect back as if it were an answer.
  if (answer.status >= 300) throw failureOf({ ...answer, message: '' }, call);
  return answer;
}

function toProviderError(error: unknown, call: Call): ProviderError {
  if (error instanceof ProviderError) return error;
  const response = responseOf(error);
  return response ? failureOf(response, call) : silenceOf(error, call);
}

/** Octokit's error carries the request, with its headers and its body: only what is picked here leaves. */
function responseOf(error: unknown) {
  if (!(error instanceof Error) || !('response' in error) || typeof error.response !== 'object') return undefined;
  const { status, headers, data } = error.response as { status: number; headers: Record<string, unknown>; data: unknown };
  const message = typeof data === 'object' && data !== null && 'message' in data ? data.message : '';
  return { status, headers, message: typeof message === 'string' ? message : '' };
}
