/** Whether a row was refused because there is one like it: of two at once the second hears of it in this way only. */
export function isDuplicate(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === '23505' || code === 'SQLITE_CONSTRAINT';
}
