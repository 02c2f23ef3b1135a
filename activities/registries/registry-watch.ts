import { endMootOutages } from '../../db/registries/registry-outages.ts';
import { claimDueChecks, noteExpiring } from '../../db/registries/registry-watch.ts';
import type { Database } from '../../db/store/connection.ts';

/** The limit of one transaction. SQLite has one writer, so others wait for it. */
const batch = 200;

/** The steps of the scheduled registry checks. Each step can run twice, because a claimed check is no longer due. */
export function checkActivities({ database }: { database: Database }) {
  return {
    /** Claims registries that are due. Returns how many, and whether there can be more. */
    async claimDueChecks(): Promise<{ claimed: number; more: boolean }> {
      const claimed = await database.write((trx) => claimDueChecks(trx, batch));
      return { claimed, more: claimed === batch };
    },

    /** Raises incidents for credentials that expire soon, and resolves those that no longer apply. */
    async watchRegistries(): Promise<void> {
      await database.write(async (trx) => {
        await noteExpiring(trx);
        await endMootOutages(trx);
      });
    },
  };
}
