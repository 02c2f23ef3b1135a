/** Words of placeholders that people copy from a manual and forget to replace. The comparison ignores separators. */
const placeholder =
  /changeme|changethis|replaceme|example|placeholder|password|letmein|qwerty|insecure|your\w{0,20}(?:secret|token|key)|supersecret|topsecret|secretsecret/;

/** The longest part whose repetition makes a secret guessable. */
const longestPart = 15;

/**
 * Returns why a person could guess the secret, or undefined. A secret from GitHub or from any random source passes,
 * because this refuses only what no generator makes.
 */
export function guessable(
  secret: string,
  { least, distinct = 6 }: { least: number; distinct?: number },
): string | undefined {
  if (secret.length < least) return `has fewer than ${least} characters`;
  if (/^<.*>$/.test(secret) || placeholder.test(secret.toLowerCase().replaceAll(/[^a-z0-9]/g, ''))) {
    return 'is a placeholder';
  }
  if (new Set(secret).size < distinct) return `has fewer than ${distinct} different characters`;
  if (repeats(secret)) return 'repeats a short text';
  if (steps(secret) * 2 > secret.length) return 'is a sequence, such as 0123456789';
  return undefined;
}

/** Returns the same for the bytes of a key. */
export function guessableKey(key: Uint8Array): string | undefined {
  return guessable(Buffer.from(key).toString('latin1'), { least: key.length, distinct: 12 });
}

function repeats(text: string): boolean {
  const most = Math.min(longestPart, Math.floor(text.length / 2));
  return Array.from({ length: most }, (_, index) => text.slice(0, index + 1)).some(
    (part) => part.repeat(Math.ceil(text.length / part.length)).slice(0, text.length) === text,
  );
}

/** Counts the characters that follow the one before them in the alphabet, forwards or backwards. */
function steps(text: string): number {
  const codes = [...text].map((character) => character.charCodeAt(0));
  return codes.filter((code, index) => index > 0 && Math.abs(code - (codes[index - 1] ?? code)) === 1).length;
}
