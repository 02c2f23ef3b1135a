import { newId } from '../../domain/ids.ts';
import { closedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { Db } from '../store/connection.ts';
import type { GithubAppRow } from '../store/tables.ts';

export type GithubApp = {
  id: string;
  /** Null for the operator's own App. */
  orgId: string | null;
  hostUrl: string;
  apiUrl: string;
  appId: number;
  slug: string;
  name: string;
  clientId: string | null;
  createdAt: number;
  syncedAt: number | null;
  syncError: string | null;
};

export type NewGithubApp = Pick<GithubApp, 'orgId' | 'hostUrl' | 'apiUrl' | 'appId' | 'slug' | 'name' | 'clientId'>;

/**
 * Finds and changes Apps. A webhook or a workflow names an App before its tenant is known, so no tenant scope applies
 * here. Routes reach an App only through an integration or an installation that they found within their scope.
 */
export function githubAppsIn(db: Db) {
  return {
    async find(id: string): Promise<GithubApp | undefined> {
      const row = await db('github_apps').where({ id }).first();
      return row && toGithubApp(row);
    },

    /** Returns all Apps with this App ID. Several hosts can each have one. */
    async listByAppId(appId: number): Promise<GithubApp[]> {
      return (await db('github_apps').where({ app_id: appId, retired_at: null }).orderBy('id')).map(toGithubApp);
    },

    async list(): Promise<GithubApp[]> {
      return (await db('github_apps').where({ retired_at: null }).orderBy('id')).map(toGithubApp);
    },

    /** Lists the Apps in use: the operator's Apps, and the Apps with an integration. Other Apps have no key. */
    async listInUse(): Promise<GithubApp[]> {
      const used = await db('integrations')
        .whereNotIn('status', closedIntegrationStatuses)
        .whereNotNull('github_app_id')
        .distinct('github_app_id');
      const ids = new Set(used.map(({ github_app_id: id }) => id));
      return (await this.list()).filter(({ id, orgId }) => orgId === null || ids.has(id));
    },

    /**
     * Inserts a new App, with the given ID if there is one. Returns nothing if the host already has an App with this
     * App ID.
     */
    async insert({ id = newId('gha'), ...app }: NewGithubApp & { id?: string }): Promise<GithubApp | undefined> {
      const now = Date.now();
      const inserted: { id: string }[] = await db('github_apps')
        .insert({
          id,
          org_id: app.orgId,
          host_url: app.hostUrl,
          api_url: app.apiUrl,
          app_id: app.appId,
          slug: app.slug,
          name: app.name,
          client_id: app.clientId,
          created_at: now,
          updated_at: now,
        })
        .onConflict()
        .ignore()
        .returning('id');
      return inserted[0] && this.find(id);
    },

    /** Creates the App, or updates the App that has the same host and App ID. */
    async upsert(app: NewGithubApp): Promise<GithubApp> {
      const now = Date.now();
      const values = { api_url: app.apiUrl, slug: app.slug, name: app.name, client_id: app.clientId, updated_at: now };
      await db('github_apps')
        .insert({
          id: newId('gha'),
          org_id: app.orgId,
          host_url: app.hostUrl,
          app_id: app.appId,
          created_at: now,
          ...values,
        })
        .onConflict(db.raw('(host_url, app_id) where retired_at is null'))
        .merge(values);
      const number = { host_url: app.hostUrl, app_id: app.appId, retired_at: null };
      return toGithubApp((await db('github_apps').where(number).first()) as GithubAppRow);
    },

    /** Updates what may have changed while no integration used the App. */
    async updateDescription(
      id: string,
      { apiUrl, slug, name, clientId }: NewGithubApp,
    ): Promise<GithubApp | undefined> {
      const values = { api_url: apiUrl, slug, name, client_id: clientId, sync_error: null, updated_at: Date.now() };
      await db('github_apps').where({ id }).update(values);
      return this.find(id);
    },

    /** Frees the App's host and App ID for another row. Rows that refer to this one find it by its `id`. */
    async retire(id: string): Promise<void> {
      const now = Date.now();
      await db('github_apps').where({ id, retired_at: null }).update({ retired_at: now, updated_at: now });
    },

    /**
     * Begins a pass over the App's installations. A number identifies the pass, because the clocks of its writers
     * differ. Everything that is seen from here on belongs to the new pass.
     */
    async beginPass(id: string): Promise<void> {
      await db('github_apps')
        .where({ id })
        .update({
          sync_pass: db.raw('sync_pass + 1') as unknown as number,
          sync_begun_at: Date.now(),
          sync_open: true,
        });
    },

    /**
     * Returns when the GitHub App's latest pass began, and whether it is still open. Returns nothing if there is no
     * such GitHub App.
     */
    async findPass(id: string): Promise<{ begunAt: number; isOpen: boolean } | undefined> {
      const row = await db('github_apps').where({ id }).first('sync_begun_at', 'sync_open');
      return row && { begunAt: row.sync_begun_at ?? 0, isOpen: Boolean(row.sync_open) };
    },

    /**
     * Stores the end or the error of a pass. `ended` is true if the pass reached its end, even if it could not read
     * everything.
     */
    async markSynced(id: string, { ended, error }: { ended: boolean; error: string | null }): Promise<void> {
      const now = Date.now();
      await db('github_apps')
        .where({ id })
        .update({ sync_error: error, sync_open: false, updated_at: now, ...(ended && { synced_at: now }) });
    },
  };
}

function toGithubApp(row: GithubAppRow): GithubApp {
  return {
    id: row.id,
    orgId: row.org_id,
    hostUrl: row.host_url,
    apiUrl: row.api_url,
    appId: row.app_id,
    slug: row.slug,
    name: row.name,
    clientId: row.client_id,
    createdAt: row.created_at,
    syncedAt: row.synced_at,
    syncError: row.sync_error,
  };
}

/**
 * How many rows each organization's own App can have here. An organization can connect a GitHub host of its own, so the
 * numbers need a limit.
 */
export type AppLimits = { installations: number; repositories: number };

export const appLimits: AppLimits = { installations: 10_000, repositories: 100_000 };

/**
 * Returns whether rows with these GitHub IDs fit under the App's limit, which counts removed rows too. Known rows can
 * always be written again. The operator's App has no limit, because the operator trusts its host.
 */
export async function hasRoom(
  db: Db,
  { id, orgId }: { id: string; orgId: string | null },
  { kind, externalIds, most }: { kind: keyof AppLimits; externalIds: readonly number[]; most: number },
): Promise<boolean> {
  if (orgId === null) return true;
  const distinct = [...new Set(externalIds)];
  const rows = () => db(kind).where({ github_app_id: id });
  const known = await rows().whereIn('external_id', distinct).pluck('external_id');
  if (known.length === distinct.length) return true;
  const [all] = await rows().count({ count: '*' });
  return Number(all?.count) + distinct.length - known.length <= most;
}
