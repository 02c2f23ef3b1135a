/** One word of a POSIX shell, whatever is in it. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A command on one line, of words as they are to arrive. */
export function shellCommand(...words: string[]): string {
  return words.map(shellQuote).join(' ');
}
