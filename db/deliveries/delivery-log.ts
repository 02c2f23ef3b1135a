import type { DeliveryStatus } from '../../domain/deliveries/delivery-status.ts';
import { recoverWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { githubAppsIn } from '../github/github-apps.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Database, Db } from '../store/connection.ts';
import { withBody } from './store-deliveries.ts';

/** How much of a provider's delivery log is stored here. */
export function deliveryLogIn(db: Db) {
  const of = (githubAppId: string) => db('delivery_watermarks').where({ github_app_id: githubAppId });
  return {
    /** Returns the time up to which the stored log is complete, or nothing if the log was never read. */
    async completeUntil(githubAppId: string): Promise<number | undefined> {
      return (await of(githubAppId).first())?.complete_until;
    },

    /**
     * Moves the time forward, never back, because another process might have read further. The exception is a time
     * later than `now` by the provider's clock. It came from a clock of ours that was ahead, and would hide every
     * delivery until then.
     */
    async advance(githubAppId: string, completeUntil: number, now = Number.MAX_SAFE_INTEGER): Promise<void> {
      await this.begin(githubAppId, completeUntil);
      await of(githubAppId)
        .where((row) => row.where('complete_until', '<', completeUntil).orWhere('complete_until', '>', now))
        .update({ complete_until: completeUntil, updated_at: Date.now() });
    },

    /** Creates the row that processes claim. For a new App, the log is needed from the time of its connection on. */
    async begin(githubAppId: string, completeUntil: number): Promise<void> {
      await db('delivery_watermarks')
        .insert({ github_app_id: githubAppId, complete_until: completeUntil, polled_at: 0, updated_at: Date.now() })
        .onConflict('github_app_id')
        .ignore();
    },

    /** Returns whether a poll is due. This is cheaper than the claim, which takes the write lock on SQLite. */
    async isPollDue(githubAppId: string, everyMs: number): Promise<boolean> {
      const row = await of(githubAppId).first('polled_at');
      return row !== undefined && row.polled_at <= Date.now() - everyMs;
    },

    /** Claims the next poll, so that only one process at a time reads the log. */
    async claimPoll(githubAppId: string, everyMs: number): Promise<boolean> {
      const now = Date.now();
      const claimed = await of(githubAppId)
        .where('polled_at', '<=', now - everyMs)
        .update({ polled_at: now });
      return claimed === 1;
    },

    /** Stops all polls until `until`, after a failure. */
    async rest(githubAppId: string, until: number, everyMs: number): Promise<void> {
      await of(githubAppId).update({ polled_at: until - everyMs });
    },

    /**
     * Returns the statuses of the deliveries with these `guids` that are stored. One that failed and has no body any more
     * is not among them, so that it is fetched again.
     */
    async known(githubAppId: string, guids: string[]): Promise<Map<string, DeliveryStatus>> {
      const found = new Map<string, DeliveryStatus>();
      for (let at = 0; at < guids.length; at += 500) {
        const some = await db('deliveries')
          .where({ github_app_id: githubAppId })
          .whereIn('provider_delivery_id', guids.slice(at, at + 500))
          .where((usable) => usable.whereNot({ status: 'failed' }).orWhere(withBody))
          .select('provider_delivery_id', 'status');
        for (const { provider_delivery_id: guid, status } of some) found.set(guid, status);
      }
      return found;
    },
  };
}

/** Returns the command that reads the App's delivery log back to what is stored. Several requests share one reading. */
export async function recoverCommand(db: Db, githubAppId: string): Promise<Command> {
  const app = await db('github_apps').where({ id: githubAppId }).first('slug');
  return {
    action: 'signal_with_start',
    workflow: 'recoverDeliveries',
    workflowId: recoverWorkflowId(githubAppId),
    signal: 'requested',
    input: { githubAppId },
    attributes: { Kind: 'recoverDeliveries' },
    summary: `Look for missed webhooks of the GitHub App ${app ? `${app.slug} (${githubAppId})` : githubAppId}`,
  };
}

/** Requests a recovery for every App in use. */
export async function requestRecoveries(database: Database): Promise<void> {
  const apps = await githubAppsIn(database.reader).listInUse();
  await database.write(async (trx) => {
    await commandsIn(trx).add(...(await Promise.all(apps.map(({ id }) => recoverCommand(trx, id)))));
  });
}
