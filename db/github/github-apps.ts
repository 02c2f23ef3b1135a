import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import type { GithubAppRow } from '../store/tables.ts';

export type GithubApp = {
  id: string;
  /** None for the operator's own App. */
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
 * Apps are looked up by what a webhook or a workflow names, before any tenant is known, so this repository is not
 * bound to a tenant's scope; routes reach an App only through an integration or an installation that is.
 */
export function githubAppsIn(db: Db) {
  return {
    async find(id: string): Promise<GithubApp | undefined> {
      const row = await db('github_apps').where({ id }).first();
      return row && toGithubApp(row);
    },

    /** All Apps with this number: several hosts may each have one. */
    async listByAppId(appId: number): Promise<GithubApp[]> {
      return (await db('github_apps').where({ app_id: appId, retired_at: null }).orderBy('id')).map(toGithubApp);
    },

    async list(): Promise<GithubApp[]> {
      return (await db('github_apps').where({ retired_at: null }).orderBy('id')).map(toGithubApp);
    },

    /** A new App, under an id that was given out before where there is one; nothing where its host's number is taken. */
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

    /** Finds the App by what makes it unique, its host and number, and takes over what may have changed. */
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

    /** What may have changed while nobody used it. */
    async updateDescription(id: string, { apiUrl, slug, name, clientId }: NewGithubApp): Promise<GithubApp | undefined> {
      const values = { api_url: apiUrl, slug, name, client_id: clientId, sync_error: null, updated_at: Date.now() };
      await db('github_apps').where({ id }).update(values);
      return this.find(id);
    },

    /** Its number may be another row's from here on; whatever hangs on this one is found by its id only. */
    async retire(id: string): Promise<void> {
      const now = Date.now();
      await db('github_apps').where({ id, retired_at: null }).update({ retired_at: now, updated_at: now });
    },

    /**
     * Begins a pass over the App's installations. What is seen from here on is of this pass: passes are told apart by
     * number, since the clocks of those who write differ.
     */
    async beginPass(id: string): Promise<void> {
      await db('github_apps').where({ id }).increment('sync_pass', 1);
    },

    /** `ended` is a pass that came to its end, also where it could not read everything. */
    async markSynced(id: string, { ended, error }: { ended: boolean; error: string | null }): Promise<void> {
      const now = Date.now();
      await db('github_apps')
        .where({ id })
        .update({ sync_error: error, updated_at: now, ...(ended && { synced_at: now }) });
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

/** How many rows each organization's own App may have here; its GitHub may be anybody's. */
export type AppLimits = { installations: number; repositories: number };

export const appLimits: AppLimits = { installations: 10_000, repositories: 100_000 };

/**
 * Whether these, by GitHub's numbers, may be kept beside what is there of the App, removed ones included: what is known
 * may always be written anew. The operator's App, on a host that the operator trusts, has no such limit.
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
