import { Octokit } from '@octokit/core';
import type { GitHubHost } from '../../domain/github/github-host.ts';
import type { Fetch } from '../egress/guarded-fetch.ts';
import { ProviderError } from '../failure.ts';
import { type Call, failureOf, silenceOf } from './failures.ts';
import { messageIn, throughGate } from './gate.ts';
import type { Leaving, Traffic } from './traffic.ts';

/** How Fairlead talks to one GitHub host. */
export type Wire = {
  host: GitHubHost;
  fetch: Fetch;
  userAgent: string;
  now: () => number;
  timeoutMs: number;
  /** Sees every request to the API, and every response. */
  traffic: Traffic;
  /** Sees every request to the pages of the host, where people sign in. */
  webTraffic: Traffic;
  /** Whether a person waits for the response. */
  urgent: boolean;
};

export type Request = Octokit['request'];

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Returns the time by the host's clock. The host's times follow that clock, and ours might be wrong. */
export function hostNow({ now, traffic }: Wire): number {
  return now() + traffic.clockOffsetMs();
}

/** `account` names the installation whose hourly limit the requests count against. */
export function tokenRequest(wire: Wire, token: string, account?: string): Request {
  return new Octokit({ ...optionsOf(wire, account), auth: token }).request;
}

/** Returns the options of a client without credentials. */
export function optionsOf(wire: Wire, account?: string) {
  const { host, userAgent, urgent } = wire;
  const versioned: Fetch = async (url, init = {}) => {
    // A tenant's file or branch called `..` would change the address, and Octokit uses a parameter called `url` as the
    // address. Both must not send credentials anywhere but to the API.
    if (/\/\.\.?(?:[/?]|$)/.test(String(url)) || !String(url).startsWith(`${host.api}/`)) throw unsafePath();
    const headers = new Headers(init.headers);
    headers.set('accept', 'application/vnd.github+json');
    headers.set('x-github-api-version', host.apiVersion);
    headers.set('user-agent', userAgent);
    // `throughGate` refuses redirects: fetch turns a redirected POST into a GET, and a repository that moved must be
    // resolved again anyway.
    const leaving = { effect: effectOf(init.method ?? 'GET', String(url)), account, urgent };
    return throughGate(wire, leaving, String(url), { ...init, headers, ...sizeOf(String(url)) });
  };
  return { baseUrl: host.api, log: silent, request: { fetch: versioned } };
}

/**
 * An entry of the delivery log can hold a webhook of 25 MB with request and response. No other response is that large.
 */
function sizeOf(url: string): { maxBytes?: number } {
  return /\/app\/hook\/deliveries\/\d+$/.test(url) ? { maxBytes: 40 * 1024 * 1024 } : {};
}

/** GitHub limits requests that create content separately: statuses, checks, deployments. */
function effectOf(method: string, url: string): Leaving['effect'] {
  if (method.toUpperCase() === 'GET') return 'read';
  return /\/(?:dispatches|cancel|rerun|access_tokens|attempts|config|installation\/token|installations\/\d+)$/.test(url)
    ? 'control'
    : 'content';
}

type Sent<Data> = Promise<{ status: number; headers: Record<string, unknown>; data: Data }>;

/**
 * Sends one request once and converts its response. Every failure becomes a `ProviderError`. So does a response that
 * differs from GitHub's documentation, because the host might be hostile.
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
  // Octokit returns a redirect like a normal response.
  if (answer.status >= 300) throw failureOf({ ...answer, message: '' }, call);
  try {
    return convert(answer.data, answer);
  } catch (error) {
    throw error instanceof ProviderError ? error : unreadable(answer.status, call);
  }
}

/** Returns undefined on a 404, for objects that might not exist. */
export async function orUndefined<Result>(sent: Promise<Result>): Promise<Result | undefined> {
  try {
    return await sent;
  } catch (error) {
    if (error instanceof ProviderError && error.status === 404) return undefined;
    throw error;
  }
}

/**
 * Returns the number of the next page, which is always greater than `page`. It takes only the number from the response.
 * Fairlead never follows the address.
 */
export function nextPage({ headers }: { headers: Record<string, unknown> }, page = 0): number | undefined {
  const links = String(headers['link'] ?? '').split(',');
  const next = links.find((link) => link.includes('rel="next"'));
  const number = Number(next?.match(/[?&]page=(\d{1,6})[&>]/)?.[1] ?? 0);
  return number > page ? number : undefined;
}

/** The size of a page, for requests and as a limit on responses, because a page is written to the database at once. */
export const perPage = 100;

/** Rejects a page that is longer than requested, because the host might be hostile. */
export function pageIn<One>(value: One[]): One[] {
  if (Array.isArray(value) && value.length <= perPage) return value;
  throw new TypeError('not a page');
}

/**
 * The longest text that Fairlead accepts from a host. Every GitHub sends only short texts in the fields that Fairlead
 * stores.
 */
const longestText = 1_000;

export function textIn(value: unknown): string {
  if (typeof value === 'string' && value.length <= longestText) return value;
  throw new TypeError('not a short text');
}

/**
 * Rejects an ID that is not a number. GitHub's IDs are numbers; any other could be stored as the ID of another
 * repository.
 */
export function idIn(value: { id: unknown }): number {
  if (Number.isSafeInteger(value.id)) return value.id as number;
  throw new TypeError('not an id');
}

/** Converts a time to milliseconds. */
export function timeIn(value: string | null | undefined): number {
  const at = Date.parse(value ?? '');
  if (Number.isNaN(at)) throw new TypeError('not a time');
  return at;
}

export function toProviderError(error: unknown, call: Call): ProviderError {
  const response = responseOf(error);
  if (response) return failureOf(response, call);
  return error instanceof Error && error.cause instanceof ProviderError ? error.cause : silenceOf(error, call);
}

/** Returns only these fields, because Octokit's error holds the request with its headers and body. */
function responseOf(error: unknown) {
  if (!(error instanceof Error) || !('response' in error) || typeof error.response !== 'object') return undefined;
  const { status, headers, data } = error.response as {
    status: number;
    headers: Record<string, unknown>;
    data: unknown;
  };
  return { status, headers, message: messageIn(data) };
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
  return new ProviderError({ provider: 'github', code: 'validation', message: 'This would go to another address' });
}
