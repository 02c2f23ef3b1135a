export type IntakeAnswer = { status: number; headers: Record<string, string>; body: string };

/**
 * What a webhook that is not taken is answered. Every answer is the same bytes each time, and all that is wrong with
 * a signature, its App's existence included, is one answer.
 */
const unauthorized = refusal(401, 'invalid_signature', 'The signature does not verify');
const busy = refusal(503, 'too_busy', 'Too much is waiting to be stored: send it again', { 'retry-after': '5' });

export const refusals = {
  signature_missing: unauthorized,
  signature_form: unauthorized,
  signature_wrong: unauthorized,
  unknown_app: unauthorized,
  delivery_id: refusal(400, 'invalid_request', 'X-GitHub-Delivery must be one GUID'),
  event: refusal(400, 'invalid_request', 'X-GitHub-Event must be one event’s name'),
  broken_off: refusal(400, 'invalid_request', 'The body broke off'),
  content_type: refusal(415, 'unsupported_media_type', 'Set the content type of the App’s webhook to application/json'),
  content_encoding: refusal(
    415,
    'unsupported_media_type',
    'The signature covers the bytes as they are: send no encoding',
  ),
  too_large: refusal(413, 'payload_too_large', 'A webhook has 25 MB at most'),
  too_many: busy,
  store_failed: refusal(503, 'unavailable', 'It could not be stored: send it again', { 'retry-after': '5' }),
} as const;

function refusal(status: number, code: string, detail: string, headers: Record<string, string> = {}): IntakeAnswer {
  return {
    status,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify({ type: 'about:blank', status, code, title: detail }),
  };
}
