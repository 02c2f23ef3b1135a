import type { ProviderErrorCode } from '../../domain/ops/provider-failures.ts';
import { egressErrorIn } from '../egress/egress-error.ts';
import { ProviderError } from '../failure.ts';
import type { Exchange } from './watched-fetch.ts';

/** `provider` as in `ProviderError`, `name` as people call it. */
export type Cloud = { provider: string; name: string };

/** A failure that has nothing to do with the credential: no answer, or a request to come back later. */
export function outageOf(cloud: Cloud, seen: Exchange, now: number): ProviderError | undefined {
  const { status } = seen;
  if (status === undefined) return silenceOf(cloud, seen.failure);
  if (status === 429) return failure(cloud, 'rate_limited', `${cloud.name} asks for a pause`, seen, now);
  if (status >= 500 || status === 408) return failure(cloud, 'unavailable', `${cloud.name} failed`, seen, now);
  return undefined;
}

function silenceOf({ provider, name }: Cloud, error: unknown): ProviderError {
  const egress = egressErrorIn(error);
  const refused = egress?.code === 'host_not_allowed' || egress?.code === 'redirect_refused';
  const timedOut = egress?.code === 'timeout' || isTimeout(error);
  const [code, sentence]: [ProviderErrorCode, string] = refused
    ? ['address_refused', `The address of ${name} is not allowed`]
    : egress?.code === 'too_large'
      ? ['unexpected', `${name} answered more than fits`]
      : timedOut
        ? ['timeout', `${name} did not answer in time`]
        : ['network', `${name} could not be reached`];
  return new ProviderError({ provider, code, message: egress ? `${sentence} (${egress.message})` : sentence });
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || isTimeout(error.cause));
}

/** A failure with the retry time from the answer, and nothing else of the answer. */
export function failure(
  { provider }: Cloud,
  code: ProviderErrorCode,
  message: string,
  seen: Exchange,
  now: number,
  more: { settling?: boolean } = {},
): ProviderError {
  const retryAfterMs = pauseIn(seen.headers, now);
  const { status } = seen;
  return new ProviderError({
    provider,
    code,
    message: `${message} (status ${status})`,
    ...(status === undefined ? {} : { status }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...more,
  });
}

/** Seconds, or an HTTP date. */
function pauseIn(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** Clouds accept our tokens within a few minutes of their own time. */
const toleranceMs = 2 * 60_000;

/** Whether the answer says that this machine's clock is wrong. */
export function isClockWrong(headers: Headers, now: number): boolean {
  const there = Date.parse(headers.get('date') ?? '');
  return Math.abs(there - now) > toleranceMs;
}
