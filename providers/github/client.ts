import { Octokit } from '@octokit/core';
import type { GitHubHost } from '../../domain/github/github-host.ts';
import type { Fetch } from '../egress/guarded-fetch.ts';
import { ProviderError } from '../failure.ts';
import { type Call, failureOf, limitOf, silenceOf } from './failures.ts';
import type { Leaving, Limit, Traffic } from './traffic.ts';

/** How one GitHub is spoken to. */
export type Wire = {
  host: GitHubHost;
  fetch: Fetch;
  userAgent: string;
  now: () => number;
  timeoutMs: number;
  /** Every request passes it, and its answer too. */
  traffic: Traffic;
  /** A person waits for what is asked. */
  urgent: boolean;
};

export type Request = Octokit['request'];

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** By the host's clock: what it says of times is meant by that one, and ours may be wrong. */
export function hostNow({ now, traffic }: Wire): number {
  return now() + traffic.clockOffsetMs();
}

/** `account` names the installation whose hourly limit the requests count against. */
export function tokenRequest(wire: Wire, token: string, account?: string): Request {
  return new Octokit({ ...optionsOf(wire, account), auth: token }).request;
}

/** For a client without anybody's credentials. */
export function optionsOf(wire: Wire, account?: string) {
  const { host, fetch, userAgent, timeoutMs, now, traffic, urgent } = wire;
  const versioned: Fetch = async (url, init = {}) => {
    // A tenant's file or branch called `..` would make this the address of something else, and Octokit takes a parameter
    // called `url` for the address itself: credentials go to the API and nowhere else.
    if (/\/\.\.?(?:[/?]|$)/.test(String(url)) || !String(url).startsWith(`${host.api}/`)) throw unsafePath();
    const leaving = { effect: effectOf(init.method ?? 'GET', String(url)), account, urgent };
    await traffic.admit(leaving);
    const headers = new Headers(init.headers);
    headers.set('accept', 'application/vnd.github+json');
    headers.set('x-github-api-version', host.apiVersion);
    headers.set('user-agent', userAgent);
    // fetch turns a redirected POST into a GET, and a repository that moved must be resolved anew anyway.
    const signal = AbortSignal.timeout(timeoutMs);
    const sentAt = now();
    let answer: Response;
    try {
      answer = await fetch(url, { ...init, headers, redirect: 'manual', signal, ...sizeOf(String(url)) });
    } catch (error) {
      // What was refused on this side says nothing of the host.
      const isSilent = ['timeout', 'network'].includes(
        silenceOf(error, { as: 'nobody', method: '', secrets: [], now }).code,
      );
      if (isSilent) traffic.unanswered(leaving);
      else traffic.refused(leaving);
      throw error;
    }
    const limit = await limitIn(answer, () => hostNow(wire));
    traffic.answered(leaving, { status: answer.status, headers: answer.headers, limit }, sentAt);
    return answer;
  };
  return { baseUrl: host.api, log: silent, request: { fetch: versioned } };
}

/** An entry of the log is a webhook of 25 MB, with what was sent along and answered; nothing else is so long. */
function sizeOf(url: string): { maxBytes?: number } {
  return /\/app\/hook\/deliveries\/\d+$/.test(url) ? { maxBytes: 40 * 1024 * 1024 } : {};
}

/** GitHub counts apart what others see: statuses, checks, deployments. */
function effectOf(method: string, url: string): Leaving['effect'] {
  if (method.toUpperCase() === 'GET') return 'read';
  return /\/(?:dispatches|cancel|rerun|access_tokens|attempts|config|installation\/token|installations\/\d+)$/.test(url)
    ? 'control'
    : 'content';
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
  } catch (error) {
    throw error instanceof ProviderError ? error : unreadable(answer.status, call);
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

/** How many are asked for at a time, and no more are taken: all of a page is written at once. */
export const perPage = 100;

/** A page, as long as it was asked to be at most: the host may be anyone's. */
export function pageIn<One>(value: One[]): One[] {
  if (Array.isArray(value) && value.length <= perPage) return value;
  throw new TypeError('not a page');
}

/** What is kept of a host's words is short with every GitHub. */
const longestText = 1_000;

export function textIn(value: unknown): string {
  if (typeof value === 'string' && value.length <= longestText) return value;
  throw new TypeError('not a short text');
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

export function toProviderError(error: unknown, call: Call): ProviderError {
  const response = responseOf(error);
  if (response) return failureOf(response, call);
  return error instanceof Error && error.cause instanceof ProviderError ? error.cause : silenceOf(error, call);
}

/** The words count where GitHub says it in no header. */
async function limitIn(answer: Response, now: () => number): Promise<Limit | undefined> {
  if (answer.status !== 403 && answer.status !== 429) return undefined;
  const data: unknown = await answer
    .clone()
    .json()
    .catch(() => undefined);
  const headers = Object.fromEntries(answer.headers);
  return limitOf({ status: answer.status, headers, message: messageIn(data) }, now());
}

function messageIn(data: unknown): string {
  const message = typeof data === 'object' && data !== null && 'message' in data ? data.message : '';
  return typeof message === 'string' ? message : '';
}

/** Octokit's error carries the request, with its headers and its body: only what is picked here leaves. */
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
