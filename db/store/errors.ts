/** Prevents a start. The message is a sentence for the person who started the process. */
export class StoreError extends Error {
  override name = 'StoreError';
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: connections, resources, shutdowns, and conflicts. */
const postgres = /^(08|53|57P|40001|40P01|55P03)/;
const sqlite = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|NOMEM)/;
const network = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOST|ENETUNREACH)/;

/** Returns whether the database caused the failure, and not the query. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && [postgres, sqlite, network].some((form) => form.test(code))) return true;
  return error.name === 'KnexTimeoutError' || /^Connection (terminated|ended)/.test(error.message);
}

/** Returns whether the database refused a row because it duplicates another. Tells the loser of a race. */
export function isDuplicate(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === '23505' || code === 'SQLITE_CONSTRAINT';
}
