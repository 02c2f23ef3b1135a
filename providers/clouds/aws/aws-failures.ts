import type { AwsErrorCode } from '../../../domain/ops/provider-failures.ts';
import { ProviderError } from '../../failure.ts';

/** The call that failed. The same error means different things in different calls. */
export type AwsCall = 'assume_role' | 'web_identity' | 'identity' | 'token';

/**
 * Converts the errors of AWS's clients. They leave `$retryable` empty even if a retry would help, so the name and the
 * status decide. Of AWS's text only the name of an action is kept: errors about a wrong signature repeat the request's
 * headers.
 */
export function awsFailureOf(error: unknown, call: AwsCall): ProviderError {
  const { name, message, status, retryAfter } = read(error);
  const code = status === undefined ? silenceOf(error) : codeOf(name, message, status, call);
  const missing = code === 'access_denied' ? /not authorized to perform: ([a-z-]{2,20}:\w{2,60})/.exec(message) : null;
  const answer = status === undefined ? '' : ` (AWS answered ${status}${known(name)})`;
  return awsError(code, `${sentences[code]}${missing ? `: it lacks ${missing[1]}` : ''}${answer}`, {
    ...(status === undefined ? {} : { status }),
    ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
  });
}

export function awsError(
  code: AwsErrorCode,
  message: string = sentences[code],
  rest: { status?: number; retryAfterMs?: number } = {},
): ProviderError {
  return new ProviderError({ provider: 'aws', code, message, settling: settling.has(code), ...rest });
}

/** AWS needs some seconds to make a new role, key or issuer, or a changed policy, known everywhere. */
const settling: ReadonlySet<AwsErrorCode> = new Set<AwsErrorCode>([
  'access_denied',
  'assume_role_refused',
  'external_id_not_required',
  'subject_not_required',
  'web_identity_refused',
  'invalid_key',
  'signature_mismatch',
]);

type Thrown = { name: string; message: string; status: number | undefined; retryAfter: number | undefined };

function read(error: unknown): Thrown {
  if (!(error instanceof Error)) return { name: '', message: '', status: undefined, retryAfter: undefined };
  const { $metadata, $response } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
  };
  const seconds = $response?.headers?.['retry-after'];
  return {
    name: error.name,
    message: error.message,
    status: $metadata?.httpStatusCode,
    retryAfter: seconds !== undefined && /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined,
  };
}

/** No answer came, or an incomplete one. */
function silenceOf(error: unknown): AwsErrorCode {
  const { name, code } = (error ?? {}) as { name?: string; code?: string };
  // The client reports a broken connection as a timeout, too.
  return name === 'TimeoutError' && code !== 'ECONNRESET' && code !== 'EPIPE' ? 'timeout' : 'network';
}

const throttles = /^(?:Throttl|TooManyRequests|RequestLimitExceeded|RequestThrottled|SlowDown|PriorRequestNotComplete)/;
const wrongClock = /^(?:RequestExpired|RequestTimeTooSkewed)/;
const clockWords = /Signature expired|Signature not yet current/;

function codeOf(name: string, message: string, status: number, call: AwsCall): AwsErrorCode {
  if (throttles.test(name) || status === 429) return 'rate_limited';
  if (status >= 500) return 'unavailable';
  if (wrongClock.test(name) || (/Signature/.test(name) && clockWords.test(message))) return 'clock_skew';
  const own = refusals[name];
  if (own) return call === 'assume_role' ? (ofOurs[own] ?? own) : own;
  if (/^AccessDenied|^UnauthorizedOperation$/.test(name)) return denied[call];
  if (/^ExpiredToken/.test(name)) return expired[call];
  if (name === 'ValidationError' || name === 'ValidationException' || name === 'InvalidParameterException') {
    return /DurationSeconds/.test(message) ? 'session_too_long' : 'validation';
  }
  // An answer that could not be parsed, for example from a proxy or in XML instead of JSON. Its status still counts.
  return status === 401 || status === 403 ? denied[call] : 'unexpected';
}

const refusals: Record<string, AwsErrorCode> = {
  InvalidClientTokenId: 'invalid_key',
  UnrecognizedClientException: 'invalid_key',
  InvalidAccessKeyId: 'invalid_key',
  SignatureDoesNotMatch: 'signature_mismatch',
  InvalidSignatureException: 'signature_mismatch',
  IncompleteSignature: 'signature_mismatch',
  InvalidIdentityToken: 'web_identity_refused',
  InvalidIdentityTokenException: 'web_identity_refused',
  IDPRejectedClaim: 'web_identity_refused',
  IDPRejectedClaimException: 'web_identity_refused',
  IDPCommunicationError: 'issuer_unreachable',
  IDPCommunicationErrorException: 'issuer_unreachable',
  RegionDisabledException: 'region_disabled',
  OptInRequired: 'region_disabled',
  MalformedPolicyDocument: 'policy_malformed',
  MalformedPolicyDocumentException: 'policy_malformed',
  PackedPolicyTooLarge: 'policy_too_large',
  PackedPolicyTooLargeException: 'policy_too_large',
};

/** Fairlead's own identity assumes the role. If AWS rejects that identity, the owner of the role is not at fault. */
const ofOurs: Partial<Record<AwsErrorCode, AwsErrorCode>> = {
  invalid_key: 'platform_identity_refused',
  signature_mismatch: 'platform_identity_refused',
};

const denied: Record<AwsCall, AwsErrorCode> = {
  assume_role: 'assume_role_refused',
  web_identity: 'web_identity_refused',
  identity: 'access_denied',
  token: 'access_denied',
};

const expired: Record<AwsCall, AwsErrorCode> = {
  assume_role: 'platform_identity_refused',
  web_identity: 'web_identity_refused',
  identity: 'session_expired',
  token: 'session_expired',
};

/** Keeps only a name, because an answer that is not from AWS can contain anything. */
function known(name: string): string {
  return /^[A-Z][A-Za-z]{3,60}$/.test(name) && name !== 'SyntaxError' ? `: ${name}` : '';
}

const sentences: Record<AwsErrorCode, string> = {
  platform_identity_missing: 'Fairlead has no identity of its own at AWS: its operator has not given it one',
  platform_identity_refused: 'AWS does not accept Fairlead’s own identity: its operator has to look at it',
  access_denied: 'The identity may not do this',
  account_mismatch: 'The identity belongs to another AWS account',
  assume_role_refused:
    'AWS does not let Fairlead take on the role: it does not exist, its trust policy names another principal or ' +
    'another external id, or Fairlead may not take on roles',
  external_id_not_required:
    'The role lets Fairlead in with any external id, so that others who use this Fairlead could name it: its trust ' +
    'policy has to ask for the one made for this account',
  subject_not_required:
    'The role lets in whomever Fairlead’s tokens are of, and so others who use this Fairlead: its trust policy has to ' +
    'pin the subject, with StringEquals on the issuer’s “sub”',
  web_identity_refused:
    'AWS does not accept Fairlead’s token for the role: the role does not exist, its trust policy names another ' +
    'issuer, audience or subject, or the issuer is not registered in the account',
  invalid_key: 'AWS does not know the access key: it was deleted, or the region is not enabled for its account',
  signature_mismatch: 'The secret does not belong to the access key',
  region_disabled: 'The region is not enabled for the account',
  policy_malformed: 'AWS does not accept the policy that narrows the session',
  policy_too_large: 'The policy that narrows the session is too large for AWS',
  session_too_long: 'The role does not allow sessions as long as was asked for',
  session_expired: 'The session has ended',
  issuer_unreachable: 'AWS could not reach the issuer of the token to check it',
  clock_skew: 'AWS refuses the request because the clock of this machine is wrong',
  rate_limited: 'AWS asks for fewer requests',
  unavailable: 'AWS failed',
  network: 'AWS could not be reached',
  timeout: 'AWS did not answer in time',
  address_refused: 'This is not the address of a registry at AWS',
  validation: 'AWS does not accept the request',
  unexpected: 'AWS answered something unexpected',
};
