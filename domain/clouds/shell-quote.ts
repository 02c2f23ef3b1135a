/** Quotes any text as one word of a POSIX shell. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Returns a command on one line that passes these words unchanged. */
export function shellCommand(...words: string[]): string {
  return words.map(shellQuote).join(' ');
}
