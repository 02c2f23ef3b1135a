import type { Db } from '../store/connection.ts';
import { passOf } from './installations.ts';

export type SkippedInstallation = { id: string; orgId: string | null; accountLogin: string; error: string };

/** Stores what a pass over one App's installations learns about each of them, besides GitHub's data. */
export function syncPassesIn(db: Db, githubAppId: string) {
  const present = () => db('installations').where({ github_app_id: githubAppId, removed_at: null });
  return {
    /**
     * Lists the installations that the pass has not seen so far. They may be gone, or may have shifted between the
     * pages.
     */
    async listUnseen(limit: number): Promise<{ id: string; externalId: number }[]> {
      const rows = await present()
        .where('seen_pass', '<', passOf(db, githubAppId))
        .orderBy('id')
        .limit(limit)
        .select('id', 'external_id');
      return rows.map(({ id, external_id }) => ({ id, externalId: external_id }));
    },

    /** Marks installations as seen although their data cannot be read. Returns how many of them are stored. */
    async keepUnreadable(externalIds: number[]): Promise<number> {
      return present()
        .whereIn('external_id', externalIds)
        .update({ seen_pass: passOf(db, githubAppId), sync_error: 'unexpected' });
    },

    async noteSkipped(installationId: string, error: string): Promise<void> {
      await present().where({ id: installationId }).update({ sync_error: error });
    },

    async noteRead(installationId: string): Promise<void> {
      await present().where({ id: installationId }).whereNotNull('sync_error').update({ sync_error: null });
    },

    /**
     * Lists the present installations that could not be read. Leaves out suspended ones, which cannot be read anyway.
     */
    async listSkipped(): Promise<SkippedInstallation[]> {
      const rows = await present()
        .whereNull('suspended_at')
        .whereNotNull('sync_error')
        .orderBy('account_login')
        .select('id', 'org_id', 'account_login', 'sync_error');
      return rows.map(({ id, org_id, account_login, sync_error }) => ({
        id,
        orgId: org_id,
        accountLogin: account_login,
        error: sync_error ?? '',
      }));
    },
  };
}
