import type { Knex } from 'knex';

const everyMs = 1_000;
/**
 * From this number of pages on (64 MB), the writer copies the last pages itself. SQLite starts its log again from the
 * beginning only if no page is left to copy when the next transaction begins.
 */
const manyPages = 16_000;

type Result = { busy: number; log: number; checkpointed: number };

/**
 * Copies SQLite's write-ahead log into the database file, over a connection of its own and every second. Otherwise the
 * writer would do this in the middle of a commit, and after much data all webhooks would wait for the disk.
 *
 * @see https://www.sqlite.org/wal.html#ckpt
 */
export function startCheckpoints({
  pool,
  onWriter,
}: {
  /** A connection that does nothing else. */
  pool: Knex;
  /** Runs a statement on the writer, between two transactions. */
  onWriter: (sql: string) => Promise<unknown>;
}) {
  const statement = 'PRAGMA wal_checkpoint(PASSIVE)';
  let hasWritten = false;
  let running: Promise<void> | undefined;

  async function checkpoint(): Promise<void> {
    const [{ log }] = (await pool.raw(statement)) as [Result];
    if (log > manyPages) await onWriter(statement);
  }

  const timer = setInterval(() => {
    if (!hasWritten || running) return;
    hasWritten = false;
    // A checkpoint that fails loses nothing. The next one copies the same pages.
    running = checkpoint()
      .catch(() => {})
      .finally(() => {
        running = undefined;
      });
  }, everyMs);
  timer.unref();

  return {
    /** Notes that there is something to copy. */
    note(): void {
      hasWritten = true;
    },
    async stop(): Promise<void> {
      clearInterval(timer);
      await running;
      await pool.destroy();
    },
  };
}
