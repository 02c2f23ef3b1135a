import type { Fetch } from '../egress/guarded-fetch.ts';
import { type Answer, isAnonymous, limitOf, silenceOf } from './failures.ts';
import type { Leaving, Traffic } from './traffic.ts';

type Gate = { fetch: Fetch; traffic: Traffic; now: () => number; timeoutMs: number };
type Init = NonNullable<Parameters<Fetch>[1]>;

/** Sends one request if the traffic of its host allows it, and reports the result. Follows no redirect. */
export async function throughGate(
  { fetch, traffic, now, timeoutMs }: Gate,
  leaving: Leaving,
  url: string,
  init: Init,
): Promise<Response> {
  await traffic.admit(leaving);
  const signal = AbortSignal.timeout(timeoutMs);
  const sentAt = now();
  let response: Response;
  try {
    response = await fetch(url, { ...init, redirect: 'manual', signal });
  } catch (error) {
    // A refusal on our side says nothing about the host.
    const { code } = silenceOf(error, { as: 'nobody', method: '', secrets: [], now });
    if (code === 'timeout' || code === 'network') traffic.unanswered(leaving);
    else traffic.refused(leaving);
    throw error;
  }
  const answer = await answerIn(response);
  // If GitHub has not accepted the credentials, the figures are those of our address, not those of the account.
  const account = isAnonymous(answer) ? undefined : leaving.account;
  const limit = limitOf(answer, now() + traffic.clockOffsetMs());
  traffic.answered({ ...leaving, account }, { status: response.status, headers: response.headers, limit }, sentAt);
  return response;
}

/** Reads the message too, because some of GitHub's limits and rejections are not visible in a header. */
async function answerIn(response: Response): Promise<Answer> {
  const { status } = response;
  const headers = Object.fromEntries(response.headers);
  if (![403, 404, 429].includes(status)) return { status, headers, message: '' };
  const data: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  return { status, headers, message: messageIn(data) };
}

/** Returns the message of a GitHub error. Undefined if the body is not a GitHub error. */
export function messageIn(data: unknown): string | undefined {
  const message = typeof data === 'object' && data !== null && 'message' in data ? data.message : undefined;
  return typeof message === 'string' ? message : undefined;
}
