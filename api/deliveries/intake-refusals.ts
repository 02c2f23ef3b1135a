import type { IntakeAnswer } from '../http/deps.ts';
import { catalogue, type ProblemCode } from '../http/problems.ts';

/**
 * What a webhook that is not taken is answered. Every answer is the same bytes each time, and all that can be wrong
 * with a signature, its App's existence included, is one answer.
 */
const unauthorized = refusal('invalid_signature', 'Send `X-Hub-Signature-256`, made with the secret of the App.');

export const refusals = {
  signature_missing: unauthorized,
  signature_form: unauthorized,
  signature_wrong: unauthorized,
  unknown_app: unauthorized,
  delivery_id: refusal('invalid_request', '`X-GitHub-Delivery` must be one GUID.'),
  event: refusal('invalid_request', '`X-GitHub-Event` must be the name of one event.'),
  broken_off: refusal('invalid_request', 'The body broke off.'),
  too_slow: refusal('invalid_request', 'The body came too slowly.'),
  content_type: refusal('unsupported_media_type', 'Set the content type of the App’s webhook to `application/json`.'),
  content_encoding: refusal(
    'unsupported_media_type',
    'The signature covers the bytes as they are: do not encode them.',
  ),
  too_large: refusal('body_too_large', 'A webhook has at most 25 MB.'),
  too_many: refusal('unavailable', 'Too much is waiting to be stored: send it again.', { 'retry-after': '5' }),
  store_failed: refusal('unavailable', 'It could not be stored: send it again.', { 'retry-after': '5' }),
} as const;

function refusal(code: ProblemCode, detail: string, headers: Record<string, string> = {}): IntakeAnswer {
  const { status, title } = catalogue[code];
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify({ type: `urn:fairlead:problem:${code}`, title, status, code, detail }),
  };
}
