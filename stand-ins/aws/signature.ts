import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The signer, and the region and service that the signature is for. */
export type Scope = { accessKeyId: string; date: string; region: string; service: string };

const form =
  /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/;

/** Returns nothing if the request is not signed. */
export function scopeOf(headers: IncomingHttpHeaders): Scope | undefined {
  const [, accessKeyId, date, region, service] = form.exec(headers.authorization ?? '') ?? [];
  return accessKeyId && date && region && service ? { accessKeyId, date, region, service } : undefined;
}

/** The time of the signature, in ms. */
export function signedAt(headers: IncomingHttpHeaders): number {
  const text = String(headers['x-amz-date'] ?? '');
  return Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

/** Checks version 4 signatures of requests to `/` without a query, as STS and ECR use them. */
export function isSignedWith(secret: string, headers: IncomingHttpHeaders, body: string): boolean {
  const [, , date = '', region = '', service = '', names = '', signature = ''] =
    form.exec(headers.authorization ?? '') ?? [];
  const lines = names.split(';').map((name) => `${name}:${String(headers[name] ?? '').trim()}\n`);
  const request = ['POST', '/', '', lines.join(''), names, sha256(body)].join('\n');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(request)].join('\n');
  const key = [date, region, service, 'aws4_request'].reduce<string | Buffer>(
    (above, part) => createHmac('sha256', above).update(part).digest(),
    `AWS4${secret}`,
  );
  const expected = createHmac('sha256', key).update(text).digest('hex');
  return signature.length === expected.length && timingSafeEqual(Buffer.from(signature), Buffer.from(expected));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
