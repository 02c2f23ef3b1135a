/** Ends a command with a message for its user. The kind `usage` means that the command was called incorrectly. */
export class CliFailure extends Error {
  override name = 'CliFailure';
  readonly exitCode: 1 | 2;

  constructor(message: string, kind: 'failed' | 'usage' = 'failed') {
    super(message);
    this.exitCode = kind === 'usage' ? 2 : 1;
  }
}

/** Puts foreign text on one line, and removes characters that a terminal would execute. */
export function plain(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, 500);
}

/** Returns the message for an error. A bug shows its stack; errors of the system, such as for a file, do not. */
export function sentenceOf(error: unknown): string {
  if (error instanceof CliFailure) return error.message;
  const { code, message, stack } = error as NodeJS.ErrnoException;
  return code?.startsWith('E') ? plain(message) : `internal error: ${stack ?? String(error)}`;
}
