import type { Head } from '../../db/ops/audit-chain.ts';
import type { Logger } from '../../log.ts';

const everyMs = 60_000;

/**
 * Writes the heads of the audit chains to the log, where no writer of the database can change them. Each chain that has
 * grown gets at most one line a minute.
 */
export function createAuditHeads(logger: Logger) {
  const untold = new Map<string, Head>();
  let toldAt = 0;
  return {
    note(heads: readonly Head[]): void {
      for (const head of heads) untold.set(head.chain, head);
    },
    /** Writes the heads that have changed, if the last lines are a minute old or if this process stops. */
    tell(isStopping = false): void {
      const now = Date.now();
      if (untold.size === 0 || (!isStopping && now - toldAt < everyMs)) return;
      toldAt = now;
      for (const { chain, sequence, hash } of untold.values()) {
        logger.info({ chain, sequence, head: `${sequence}:${hash}` }, 'Audit chain head');
      }
      untold.clear();
    },
  };
}
