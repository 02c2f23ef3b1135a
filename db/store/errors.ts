/** https://www.postgresql.org/docs/current/errcodes-appendix.html: connections, resources, shutdowns, and conflicts. */
const postgres = /^(08|53|57P|40001|40P01|55P03)/;
const sqlite = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|CANTOPEN|NOMEM)/;
const network = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOST|ENETUNREACH)/;

/** Whether the database, and not what it was asked, is why this failed. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && [postgres, sqlite, network].some((form) => form.test(code))) return true;
  return error.name === 'KnexTimeoutError' || /^Connection (terminated|ended)/.test(error.message);
}

/** Whether a row was refused because there is one like it: of two at once the second hears of it in this way only. */
export function isDuplicate(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === '23505' || code === 'SQLITE_CONSTRAINT';
}
