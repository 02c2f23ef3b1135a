/** What ends a command with a sentence for whoever runs it. `usage`: it was called in a way that it does not know. */
export class CliFailure extends Error {
  override name = 'CliFailure';
  readonly exitCode: 1 | 2;

  constructor(message: string, kind: 'failed' | 'usage' = 'failed') {
    super(message);
    this.exitCode = kind === 'usage' ? 2 : 1;
  }
}

/** What somebody else wrote, on one line and without what a terminal would take for a command. */
export function plain(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, 500);
}

/** Of a file that cannot be read or written, say; a mistake of ours shows where it happened, and no value. */
export function sentenceOf(error: unknown): string {
  if (error instanceof CliFailure) return error.message;
  const { code, message, stack } = error as NodeJS.ErrnoException;
  return code?.startsWith('E') ? plain(message) : `this should not happen: ${stack ?? String(error)}`;
}
