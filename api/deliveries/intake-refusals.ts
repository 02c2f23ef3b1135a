import type { IntakeAnswer } from '../http/deps.ts';
import { catalogue, type ProblemCode } from '../http/problems.ts';

/**
 * The responses to refused webhooks. Their bytes never vary. An unknown App gets the same response as a wrong
 * signature, so that an attacker cannot tell them apart.
 */
const unauthorized = refusal(
  'invalid_signature',
  'Sign the webhook with the secret of the GitHub App and send `X-Hub-Signature-256`.',
);

export const refusals = {
  signature_missing: unauthorized,
  signature_form: unauthorized,
  signature_wrong: unauthorized,
  unknown_app: unauthorized,
  delivery_id: refusal('invalid_request', 'Send one GUID as `X-GitHub-Delivery`.'),
  event: refusal('invalid_request', 'Send the name of one event as `X-GitHub-Event`.'),
  broken_off: refusal('invalid_request', 'The body ended early. Send it again.'),
  too_slow: refusal('invalid_request', 'The body arrived too slowly. Send it again.'),
  content_type: refusal(
    'unsupported_media_type',
    'Set the content type of the webhook to `application/json` in the settings of the GitHub App.',
  ),
  content_encoding: refusal(
    'unsupported_media_type',
    'Do not encode the body: the signature covers the original bytes.',
  ),
  too_large: refusal('body_too_large', 'Send a webhook of at most 25 MB.'),
  too_many: refusal('unavailable', 'Too many webhooks are waiting to be stored. Send it again.', {
    'retry-after': '5',
  }),
  secret_unreadable: refusal(
    'secret_unreadable',
    'The webhook secret of this GitHub App does not open. The operator must do what the incident `secret_unreadable` says. Fairlead then reads the webhook from GitHub’s log.',
  ),
  store_failed: refusal('unavailable', 'The webhook could not be stored. Send it again.', { 'retry-after': '5' }),
} as const;

function refusal(code: ProblemCode, detail: string, headers: Record<string, string> = {}): IntakeAnswer {
  const { status, title } = catalogue[code];
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify({ type: `urn:fairlead:problem:${code}`, title, status, code, detail }),
  };
}
