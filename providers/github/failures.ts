import type { GitHubErrorCode } from '../../domain/ops/provider-failures.ts';
import { redact } from '../../domain/secrets/redact.ts';
import { type EgressError, egressErrorIn } from '../egress/egress-error.ts';
import { ProviderError } from '../failure.ts';
import type { Limit } from './traffic.ts';

/** The caller's identity and purpose, because the same status has several meanings. */
export type Call = {
  as: 'app' | 'installation' | 'token' | 'nobody';
  method: string;
  /** Whether the call is a dispatch, which has refusals of its own. */
  dispatch?: boolean;
  /** Values that must not appear in a message, even if the host returns them. */
  secrets: string[];
  now: () => number;
};

export type Answer = {
  status: number;
  headers: Record<string, unknown>;
  /** Undefined if the body is not a GitHub error, which is JSON with a message. A proxy might have sent it. */
  message: string | undefined;
};

/** A proxy returns these if it has no response from GitHub. GitHub can still have carried out the request. */
const proxyTimeouts = [408, 499];

/** GitHub's advice if it sets no time: wait for at least a minute. */
const leastPauseMs = 60_000;

/**
 * Converts GitHub's refusal to a `ProviderError`. Statuses and headers decide. Message texts count only if GitHub gives
 * nothing else.
 */
export function failureOf(answer: Answer, call: Call): ProviderError {
  const { status } = answer;
  const code = codeOf(answer, call);
  const said = redact(answer.message ?? '', call.secrets)
    .replaceAll(/\p{Cc}/gu, ' ')
    .slice(0, 200);
  const retryAfterMs = pauseOf(answer, code, call.now());
  // A proxy's 404 must not count as GitHub's: nothing has been removed or revoked.
  const isForeign = code === 'unavailable' && status < 500;
  return new ProviderError({
    provider: 'github',
    code,
    ...(!isForeign && { status }),
    message: `${sentences[code]} (GitHub returned ${status}${said === '' ? '' : `: ${said}`})`,
    ambiguous: code === 'unavailable' && call.method === 'POST',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** Converts a missing response. A write might still have taken effect, unless the request surely was not sent. */
export function silenceOf(error: unknown, call: Call): ProviderError {
  const egress = egressErrorIn(error);
  const code = silenceCode(error, egress);
  const why = egress ? ` (${egress.message})` : '';
  return new ProviderError({
    provider: 'github',
    code,
    message: redact(`${sentences[code]}${why}`, call.secrets),
    ambiguous: call.method === 'POST' && !(egress?.unsent ?? false),
  });
}

function silenceCode(error: unknown, egress: EgressError | undefined): GitHubErrorCode {
  if (egress?.code === 'host_not_allowed' || egress?.code === 'redirect_refused') return 'address_refused';
  if (egress?.code === 'too_large') return 'unexpected';
  return egress?.code === 'timeout' || isTimeout(error) ? 'timeout' : 'network';
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || isTimeout(error.cause));
}

function codeOf(answer: Answer, call: Call): GitHubErrorCode {
  const { status, message } = answer;
  if (status >= 500 || proxyTimeouts.includes(status)) return 'unavailable';
  if (isLimit(answer)) return header(answer, 'x-ratelimit-remaining') === '0' ? 'rate_limited' : 'secondary_limited';
  if (status >= 300 && status < 400) return 'moved';
  // A proxy's refusal says nothing about the repository, the credentials or the effect of the request.
  if (message === undefined) return 'unavailable';
  if (call.dispatch) {
    const refusal = dispatchRefusal(status, message);
    if (refusal) return refusal;
  }
  switch (status) {
    case 401:
      return unauthorized(message, call);
    case 403:
      return forbidden(answer, message);
    case 404:
      return missing(call);
    case 409:
      return 'conflict';
    case 410:
    case 451:
      return 'gone';
    case 400:
    case 422:
      return 'validation';
    default:
      return 'unexpected';
  }
}

/** https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api */
function isLimit(answer: Answer): boolean {
  if (answer.status === 429) return true;
  if (answer.status !== 403) return false;
  return (
    header(answer, 'retry-after') !== undefined ||
    header(answer, 'x-ratelimit-remaining') === '0' ||
    (answer.message ?? '').startsWith('You have exceeded a secondary rate limit')
  );
}

/** GitHub's hourly limit for an address without credentials. No account has so few requests. */
const anonymousLimit = 60;

/**
 * Returns whether GitHub has responded without accepting the credentials. The rate limit in the response is then that
 * of our address, not that of the account.
 */
export function isAnonymous(answer: Answer): boolean {
  if (answer.status === 401 || hasAnonymousLimit(answer)) return true;
  return (answer.status === 403 || answer.status === 404) && /\bbad credentials\b/i.test(answer.message ?? '');
}

function hasAnonymousLimit(answer: Answer): boolean {
  const limit = header(answer, 'x-ratelimit-limit') ?? '';
  return /^\d{1,12}$/.test(limit) && Number(limit) <= anonymousLimit;
}

/** Returns the rate limit that GitHub reports, and how long the account has to pause. */
export function limitOf(answer: Answer, now: number): Limit | undefined {
  if (!isLimit(answer)) return undefined;
  const code = header(answer, 'x-ratelimit-remaining') === '0' ? 'rate_limited' : 'secondary_limited';
  return { code, retryAfterMs: pauseOf(answer, code, now) ?? leastPauseMs };
}

function pauseOf(answer: Answer, code: GitHubErrorCode, now: number): number | undefined {
  const asked = retryAfter(header(answer, 'retry-after'), now);
  if (asked !== undefined) return asked;
  if (code === 'secondary_limited') return leastPauseMs;
  if (code !== 'rate_limited') return undefined;
  // The next attempt has valid credentials, so it does not need to wait for the end of our address's hour.
  if (hasAnonymousLimit(answer)) return leastPauseMs;
  const reset = Number(header(answer, 'x-ratelimit-reset'));
  return Number.isFinite(reset) ? Math.max(1000, reset * 1000 - now) : leastPauseMs;
}

/** Parses a number of seconds or an HTTP date. */
function retryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function unauthorized(message: string, call: Call): GitHubErrorCode {
  if (call.as === 'token') return 'token_rejected';
  return /^'(?:Expiration time|Issued at)' claim/.test(message) ? 'clock_skew' : 'app_credentials_rejected';
}

function forbidden(answer: Answer, message: string): GitHubErrorCode {
  if (message.startsWith('This installation has been suspended')) return 'installation_suspended';
  if (header(answer, 'x-github-sso') !== undefined) return 'policy';
  return /IP allow list|organization SAML|archived so is read-only|blocked/.test(message)
    ? 'policy'
    : 'permission_missing';
}

function missing(call: Call): GitHubErrorCode {
  if (call.as === 'app') return 'app_credentials_rejected';
  return call.as === 'installation' ? 'installation_gone' : 'not_found';
}

/** Refusals that GitHub returns with 422 (or 403, or 404) and that differ only in their message. */
const refusals: [RegExp, GitHubErrorCode][] = [
  [/^No ref found for/, 'ref_missing'],
  [/^Workflow does not have '?workflow_dispatch/, 'workflow_not_dispatchable'],
  [/^(?:Unexpected inputs provided|Required input )/, 'workflow_inputs_undeclared'],
  [/No more than \d+ properties are allowed/, 'workflow_inputs_too_many'],
  [/on a disabled workflow/, 'workflow_disabled'],
  [/^(?:GitHub )?Actions (?:has|have|is|are) (?:been |currently )?disabled/i, 'actions_disabled'],
];

function dispatchRefusal(status: number, message: string): GitHubErrorCode | undefined {
  if (status === 404) return 'workflow_file_missing';
  if (status !== 422 && status !== 403) return undefined;
  return refusals.find(([words]) => words.test(message))?.[1];
}

function header(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name];
  return value === undefined ? undefined : String(value);
}

const sentences: Record<GitHubErrorCode, string> = {
  app_credentials_rejected:
    'GitHub rejects the App ID and private key: they do not match, or the GitHub App was deleted',
  clock_skew: 'GitHub rejects the GitHub App because the clock of this machine is wrong',
  installation_suspended: 'The installation is suspended',
  installation_gone: 'The GitHub App is no longer installed on the account',
  token_rejected: 'GitHub no longer accepts the token',
  permission_missing: 'The GitHub App lacks a permission for this, or the owner of the account has not approved it yet',
  policy: 'A policy of the account forbids it',
  rate_limited: 'The hourly rate limit is used up',
  secondary_limited: 'GitHub asks for a pause',
  unavailable: 'GitHub is unavailable',
  network: 'GitHub could not be reached',
  timeout: 'GitHub did not respond in time',
  address_refused: 'The address of this GitHub is not allowed',
  not_found: 'It does not exist, or the GitHub App has no access to it',
  moved: 'The repository has moved',
  conflict: 'The current state at GitHub does not allow the request',
  gone: 'GitHub has deleted or blocked it',
  validation: 'GitHub rejects the request as invalid',
  unexpected: 'GitHub returned an unexpected response',
  workflow_file_missing:
    'The workflow file is not on the default branch, or the GitHub App has no access to the repository',
  workflow_not_dispatchable: 'The workflow file has no workflow_dispatch trigger',
  workflow_inputs_undeclared: 'The workflow file and the build do not agree on the inputs',
  workflow_inputs_too_many: 'The build has more inputs than this GitHub accepts',
  workflow_disabled: 'The workflow is disabled',
  actions_disabled: 'GitHub Actions is disabled for the repository',
  ref_missing: 'The branch or tag does not exist',
  manifest_code_refused: 'GitHub rejects the code of the manifest: it was used, or is older than an hour',
  conversion_unauthorized: 'GitHub did not authorize the use of the manifest code',
  oauth_code_refused: 'GitHub rejects the sign-in code',
  client_credentials_rejected: 'GitHub rejects the client id and secret of the GitHub App',
  redirect_uri_mismatch: 'The callback URL is not registered for the GitHub App',
};
