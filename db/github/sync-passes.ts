import type { Db } from '../store/connection.ts';
import { passOf } from './installations.ts';

export type SkippedInstallation = { id: string; orgId: string | null; accountLogin: string; error: string };

/** What a pass over one App's installations remembers of each of them, beyond what GitHub says of it. */
export function syncPassesIn(db: Db, githubAppId: string) {
  const present = () => db('installations').where({ github_app_id: githubAppId, removed_at: null });
  return {
    /** Those that the pass has not seen so far; installations may also have shifted between its pages. */
    async listUnseen(limit: number): Promise<{ id: string; externalId: number }[]> {
      const rows = await present()
        .where('seen_pass', '<', passOf(db, githubAppId))
        .orderBy('id')
        .limit(limit)
        .select('id', 'external_id');
      return rows.map(({ id, external_id }) => ({ id, externalId: external_id }));
    },

    /** They are there, but what GitHub says of them cannot be read; answers how many of them we know. */
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

    /** Those that could not be read although they are there. One that is suspended is not expected to be. */
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
