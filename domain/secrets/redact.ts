const removed = '[redacted]';

/**
 * The forms of secrets, ours and other people's. Every pattern runs in linear time on any text: the match consumes a
 * scanned run, or the run cannot contain the start of another one.
 */
const shapes: [RegExp, string][] = [
  // A block without an end is redacted to the end of the text, because a log line may have been cut inside a key.
  [/-----BEGIN [^-]{1,64}-----(?:(?!-----END)[\s\S])*(?:-----END [^-]{1,64}-----)?/g, removed],
  // GitHub: installation tokens are `ghs_` + 36 characters, or since 2026 `ghs_APPID_` + a JWT of several hundred.
  [/gh[opsur]_[A-Za-z0-9._-]{8,}/g, removed],
  [/github_pat_[A-Za-z0-9_]{8,}/g, removed],
  // Our own API tokens and sessions.
  [/fl[st]_[A-Za-z0-9_-]{8,}/g, removed],
  // GitLab: personal, trigger, runner, deploy, OAuth and feed tokens.
  [/gl(?:pat|ptt|rt|rtr|dt|soat|cbt|ft|imt|agent|oas|ffct)-[A-Za-z0-9_.-]{8,}/g, removed],
  [/dckr_(?:pat|oat)_[A-Za-z0-9_-]{8,}/g, removed],
  [/whsec_[A-Za-z0-9+/=_-]{8,}/g, removed],
  // A JWT, and anything else that is a base64 JSON object.
  [/eyJ[A-Za-z0-9_.-]{12,}/g, removed],
  [/A(?:KI|SI)A[A-Z0-9]{12,}/g, removed],
  [/(authorization["']?[ \t]{0,8}[:=][ \t]{0,8}["']?)(?:[A-Za-z]{1,16} {1,4})?[^\s"',;]+/gi, `$1${removed}`],
  [/\b(Basic|Bearer) {1,4}[A-Za-z0-9+/=._~-]{16,}/gi, `$1 ${removed}`],
  // `https://user:password@host`
  [/:\/\/[^\s/?#"'<>]*@/g, `://${removed}@`],
  [
    /((?:client_secret|private_token|access_token|refresh_token|webhook_secret|token|password|api_key)=)[^\s&#"'<>;]+/gi,
    `$1${removed}`,
  ],
  [
    /([?&](?:code|code_verifier|state|sig|signature|X-Amz-(?:Signature|Security-Token|Credential))=)[^\s&#"'<>]+/gi,
    `$1${removed}`,
  ],
  [
    /("[a-z_-]{0,24}(?:token|secret|password|private_key|privateKey|authorization|cookie|pem)"\s{0,8}:\s{0,8}")(?:[^"\\]|\\.)*/gi,
    `$1${removed}`,
  ],
];

/**
 * Removes every secret from a text before it is logged, stored or sent: everything with the form of a secret, and the
 * `valuesInUse` in any form (unchanged, URL-encoded and JSON-encoded). Values shorter than six characters stay:
 * removing them would damage the text and protect nothing.
 */
export function redact(text: string, valuesInUse: Iterable<string> = []): string {
  let safe = text;
  for (const value of [...valuesInUse].filter((value) => value.length >= 6).sort((a, b) => b.length - a.length)) {
    // A URL cannot contain a lone surrogate, and encodeURIComponent throws for one.
    const forms = new Set([value, encodeURIComponent(value.toWellFormed()), JSON.stringify(value).slice(1, -1)]);
    for (const form of forms) safe = safe.replaceAll(form, removed);
  }
  for (const [shape, replacement] of shapes) safe = safe.replace(shape, replacement);
  return safe;
}

const secretKey =
  /^(?:pem|.*(?:token|secret|authorization|password|passphrase|privatekey|apikey|masterkeys?|cookie))$/i;

/** Deeper levels are not copied, because a log line does not need them. */
const maxDepth = 8;

/** Returns a copy that is safe to print. It has no secrets under telling keys and none inside strings. */
export function redactDeep(value: unknown, valuesInUse: Iterable<string> = []): unknown {
  return copy(value, [...valuesInUse], 0, new Set());
}

function copy(value: unknown, inUse: string[], depth: number, above: Set<object>): unknown {
  if (typeof value === 'string') return redact(value, inUse);
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? '[function]' : value;
  if (value instanceof Date) return value;
  if (value instanceof URL) return redact(value.href, inUse);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return '[binary]';
  if (above.has(value)) return '[circular]';
  if (depth >= maxDepth) return '[too deep]';

  const inside = new Set(above).add(value);
  const next = (child: unknown) => copy(child, inUse, depth + 1, inside);
  if (Array.isArray(value)) return value.map(next);
  if (value instanceof Map)
    return copyEntries(
      [...value].map(([key, child]) => [String(key), child]),
      next,
    );
  if (value instanceof Set) return [...value].map(next);
  return copyEntries(entriesOf(value), next);
}

function copyEntries(entries: [string, unknown][], next: (child: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(
    entries.map(([key, child]) => [key, isSecret(key) && child != null && child !== '' ? removed : next(child)]),
  );
}

/** The message of an error is not enumerable and would be lost. */
function entriesOf(value: object): [string, unknown][] {
  if (!(value instanceof Error)) return Object.entries(value);
  const own = ['name', 'message', 'stack', 'cause'] as const;
  return [
    ...own.filter((key) => value[key] !== undefined).map((key): [string, unknown] => [key, value[key]]),
    ...Object.entries(value),
  ];
}

function isSecret(key: string): boolean {
  return secretKey.test(key.replaceAll(/[-_ ]/g, ''));
}
