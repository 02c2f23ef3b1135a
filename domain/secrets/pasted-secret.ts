/**
 * Removes line breaks around the text. A secret gets them when it is copied from a file or printed by a command. No
 * provider's secret has any.
 */
export function withoutOuterLineBreaks(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isLineBreak(text[start])) start += 1;
  while (end > start && isLineBreak(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

/** Returns whether the text begins or ends with whitespace. Fairlead does not guess whether that belongs to the secret. */
export function hasOuterWhitespace(text: string): boolean {
  return text !== text.trim();
}

function isLineBreak(character: string | undefined): boolean {
  return character === '\n' || character === '\r';
}

/**
 * Returns the private key in PEM with its line breaks (RFC 7468). Secret stores and shells write them as `\n`, lose
 * them, indent the lines, or add quotes. Returns any other text unchanged.
 */
export function tidyPrivateKey(text: string): string {
  const found = /-----BEGIN ((?:RSA )?PRIVATE KEY)-----([^-]*)-----END \1-----/.exec(text);
  const [, label, inner = ''] = found ?? [];
  const body = inner.replaceAll(/\\[rn]|[\s"'\\]/g, '');
  if (!/^[A-Za-z0-9+/]+=*$/.test(body)) return text;
  const lines = body.match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
