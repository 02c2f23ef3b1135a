const signature = /^sha256=[0-9a-f]{64}$/;

/** The events of which the same signed bytes must not count twice; some others repeat byte for byte rightly. */
const countedByContent = new Set(['push', 'pull_request', 'check_run', 'check_suite']);

/**
 * The hexadecimal digest of an `X-Hub-Signature-256`. Undefined unless it has exactly GitHub's form, which is decided
 * before anything is hashed: the older SHA-1 header is not looked at, and Node joins a header that comes twice with a
 * comma, which has not this form either.
 */
export function signatureDigest(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && signature.test(header) ? header.slice('sha256='.length) : undefined;
}

/** What tells that two deliveries are the same although their ids differ; nothing where the id alone tells. */
export function contentKeyOf(event: string, digest: string | undefined): string | null {
  return countedByContent.has(event) ? (digest ?? null) : null;
}
