const signature = /^sha256=[0-9a-f]{64}$/;

/** The events whose signed bytes must not count twice. Some other events legitimately repeat byte for byte. */
const countedByContent = new Set(['push', 'pull_request', 'check_run', 'check_suite']);

/**
 * Returns the hexadecimal digest of an `X-Hub-Signature-256`. Undefined unless the header has exactly GitHub's form,
 * which is checked before anything is hashed. The older SHA-1 header is ignored. Node joins a repeated header with a
 * comma, which does not match the form either.
 */
export function signatureDigest(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && signature.test(header) ? header.slice('sha256='.length) : undefined;
}

/** Returns the key that makes two deliveries equal although their ids differ. Undefined if the id alone decides. */
export function contentKeyOf(event: string, digest: string | undefined): string | null {
  return countedByContent.has(event) ? (digest ?? null) : null;
}
