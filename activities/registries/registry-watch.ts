import { endMootOutages } from '../../db/registries/registry-outages.ts';
import { claimDueChecks, noteExpiring } from '../../db/registries/registry-watch.ts';
import type { Database } from '../../db/store/connection.ts';

/** Of one transaction: SQLite has one writer, and others wait for it. */
const batch = 200;

/** What keeps an eye on registries without being asked. Each may run twice: what was claimed is not due any more. */
export function checkActivities({ database }: { database: Database }) {
  return {
    /** How many registries are asked now, and whether there may be more whose time has come. */
    async claimDueChecks(): Promise<{ claimed: number; more: boolean }> {
      const claimed = await database.write((trx) => claimDueChecks(trx, batch));
      return { claimed, more: claimed === batch };
    },

    /** Tells of credentials that end soon, and no more of what is over. */
    async watchRegistries(): Promise<void> {
      await database.write(async (trx) => {
        await noteExpiring(trx);
        await endMootOutages(trx);
      });
    },
  };
}
