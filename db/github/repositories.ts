import { newId } from '../../domain/ids.ts';
import { deletedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { RepositoryRow } from '../store/tables.ts';
import { passOf } from './installations.ts';
import { formerNamesIn } from './repository-names.ts';

export type Repository = {
  id: string;
  githubAppId: string;
  installationId: string;
  externalId: number;
  owner: string;
  name: string;
  fullName: string;
  url: string;
  visibility: string;
  defaultBranch: string;
  archived: boolean;
  removedAt: number | null;
};

/** A repository as GitHub describes it. */
export type SeenRepository = Pick<
  Repository,
  'externalId' | 'owner' | 'name' | 'fullName' | 'url' | 'visibility' | 'defaultBranch' | 'archived'
>;

/**
 * Finds and changes repositories, which have no tenant of their own. An organization sees a repository if its
 * integration is bound to the installation that reaches it. Routes ask by integration, which they find within their
 * scope.
 */
export function repositoriesIn(db: Db) {
  const bound = (integrationId: string) =>
    db('repositories')
      .join('bindings', 'bindings.installation_id', 'repositories.installation_id')
      .join('installations', 'installations.id', 'repositories.installation_id')
      .where('bindings.integration_id', integrationId)
      .whereNull('repositories.removed_at')
      .whereNull('installations.removed_at')
      .select('repositories.*');
  /**
   * Selects what the integration reaches. An integration that is being deleted reaches nothing, although it stays bound
   * until its builds have ended.
   */
  const reachable = (integrationId: string) =>
    bound(integrationId)
      .join('integrations', 'integrations.id', 'bindings.integration_id')
      .whereNotIn('integrations.status', deletedIntegrationStatuses);
  const unseen = (githubAppId: string, installationId: string) =>
    db('repositories').where({ installation_id: installationId }).where('seen_pass', '<', passOf(db, githubAppId));
  const ofApp = (githubAppId: string, externalIds: number[], from?: number) => {
    const query = db('repositories').where({ github_app_id: githubAppId }).whereIn('external_id', externalIds);
    if (from === undefined) return query;
    const installation = { github_app_id: githubAppId, external_id: from };
    return query.whereIn('installation_id', db('installations').where(installation).select('id'));
  };
  /** Marks repositories as removed. Returns the IDs of those that were present, or that only an event had removed. */
  const markGone = async (those: ReturnType<typeof ofApp>): Promise<string[]> => {
    const now = Date.now();
    const removed = await those
      .where((believed) => believed.whereNull('removed_at').orWhereNotNull('unconfirmed_at'))
      .update({
        removed_at: db.raw('coalesce(removed_at, ?)', [now]) as unknown as number,
        unconfirmed_at: null,
        updated_at: now,
      })
      .returning('id');
    return removed.map(({ id }) => id);
  };
  /** Stores the names that these repositories have until they are written. */
  const noteNames = async (githubAppId: string, rows: readonly Pick<RepositoryRow, 'external_id' | 'full_name'>[]) => {
    const names = new Map(rows.map((row) => [row.external_id, row.full_name]));
    const stored = await ofApp(githubAppId, [...names.keys()]).select('id', 'external_id', 'full_name');
    const renamed = stored.map(({ id, external_id, full_name: from }) => ({
      id,
      from,
      to: names.get(Number(external_id)) ?? from,
    }));
    await formerNamesIn(db, githubAppId).note(renamed, [...names.values()]);
  };
  return {
    async find(id: string): Promise<Repository | undefined> {
      const row = await db('repositories').where({ id }).first();
      return row && toRepository(row);
    },

    /** Finds a repository that the integration reaches, by Fairlead's ID or by GitHub's ID. */
    async findReachable(integrationId: string, id: string | number): Promise<Repository | undefined> {
      const key = typeof id === 'number' ? { 'repositories.external_id': id } : { 'repositories.id': id };
      const row: RepositoryRow | undefined = await reachable(integrationId).where(key).first();
      return row && toRepository(row);
    },

    /** Returns which of these repositories the integration reaches. */
    async findAllReachable(integrationId: string, ids: readonly string[]): Promise<Repository[]> {
      const rows: RepositoryRow[] = await reachable(integrationId).whereIn('repositories.id', ids);
      return rows.map(toRepository);
    },

    /**
     * Finds repositories by a full name that they have or had, ignoring case. Returns them by the name in lower case. A
     * name can move to another repository, so use this only for names that a person or a Git client gives now.
     */
    async findAllByName(integrationId: string, fullNames: readonly string[]): Promise<Map<string, Repository>> {
      const names = fullNames.map((name) => name.toLowerCase());
      const former: (RepositoryRow & { former_name: string })[] = await reachable(integrationId)
        .join('repository_names', 'repository_names.repository_id', 'repositories.id')
        .whereIn('repository_names.full_name', names)
        .select('repository_names.full_name as former_name');
      const places = names.map(() => '?').join(', ');
      const present: RepositoryRow[] = await reachable(integrationId).whereRaw(
        `lower(repositories.full_name) in (${places})`,
        names,
      );
      return new Map([
        ...former.map((row) => [row.former_name, toRepository(row)] as const),
        ...present.map((row) => [row.full_name.toLowerCase(), toRepository(row)] as const),
      ]);
    },

    /** Returns whether the integration reaches the repository, or did until it was deleted. */
    async isBound(integrationId: string, id: string): Promise<boolean> {
      return (await bound(integrationId).where('repositories.id', id).first()) !== undefined;
    },

    /**
     * Lists the repositories that the integration reaches. With `q`, lists those whose full name contains it, ignoring
     * case.
     */
    async listReachable(integrationId: string, page: PageRequest, q?: string): Promise<Page<Repository>> {
      const query = reachable(integrationId);
      if (q) query.whereRaw(`lower(repositories.full_name) like ? escape '\\'`, [`%${escapeLike(q.toLowerCase())}%`]);
      return pageOf<RepositoryRow, Repository>(query, page, toRepository, 'repositories.id');
    },

    /**
     * Writes repositories by GitHub's ID, because names can move, and a repository can move to another installation of
     * the same App. `page` is the page of the installation that they are on, if they were read by page. `readAt` is
     * when GitHub was asked: a repository that was removed after that stays removed.
     */
    async upsert(
      githubAppId: string,
      installationId: string,
      seen: SeenRepository[],
      { page, readAt }: { page?: number; readAt?: number },
    ): Promise<void> {
      const now = Date.now();
      // A statement must not touch a row twice.
      const distinct = [...new Map(seen.map((one) => [one.externalId, one])).values()];
      const rows = distinct.map((repository) => ({
        id: newId('repo'),
        github_app_id: githubAppId,
        installation_id: installationId,
        external_id: repository.externalId,
        owner: repository.owner,
        name: repository.name,
        full_name: repository.fullName,
        url: repository.url,
        visibility: repository.visibility,
        default_branch: repository.defaultBranch,
        archived: repository.archived,
        removed_at: null,
        unconfirmed_at: null,
        seen_pass: passOf(db, githubAppId),
        seen_page: page ?? null,
        created_at: now,
        updated_at: now,
      }));
      // SQLite limits the number of values in one statement.
      for (let at = 0; at < rows.length; at += 50) {
        const some = rows.slice(at, at + 50);
        await noteNames(githubAppId, some);
        const write = db('repositories')
          .insert(some)
          .onConflict(['github_app_id', 'external_id'])
          .merge([
            'installation_id',
            'owner',
            'name',
            'full_name',
            'url',
            'visibility',
            'default_branch',
            'archived',
            'removed_at',
            'unconfirmed_at',
            'seen_pass',
            'seen_page',
            'updated_at',
          ]);
        if (readAt !== undefined) {
          write.where((older) =>
            older.whereNull('repositories.removed_at').orWhere('repositories.removed_at', '<', readAt),
          );
        }
        await write;
      }
    },

    /**
     * Updates the repository's name and other fields that GitHub returns outside a sync. The stored page no longer
     * matches the row, so the next pass reads that page. The pass that saw the repository stays.
     */
    async updateDescription(
      id: string,
      { owner, name, fullName, url, visibility, defaultBranch, archived }: SeenRepository,
    ) {
      const names = { owner, name, full_name: fullName, url, visibility, default_branch: defaultBranch, archived };
      const before = await db('repositories').where({ id }).first('github_app_id', 'full_name');
      if (before) await formerNamesIn(db, before.github_app_id).note([{ id, from: before.full_name, to: fullName }]);
      await db('repositories')
        .where({ id })
        .update({ ...names, seen_page: null, updated_at: Date.now() });
    },

    /** Renames the account in the names of its repositories. The next pass reads them again. */
    async renameOwner(installationId: string, owner: string, web: string): Promise<void> {
      const fullName = db.raw("? || '/' || name", [owner]);
      const url = db.raw("? || '/' || name", [`${web}/${owner}`]);
      const others = db('repositories').where({ installation_id: installationId }).whereNot({ owner });
      const renamed = await others.clone().select('id', 'github_app_id', 'name', 'full_name');
      const [first] = renamed;
      if (!first) return;
      await formerNamesIn(db, first.github_app_id).note(
        renamed.map(({ id, name, full_name: from }) => ({ id, from, to: `${owner}/${name}` })),
      );
      await others.update({ owner, full_name: fullName, url, seen_page: null, updated_at: Date.now() } as never);
    },

    /**
     * Stores removals that an event reported and GitHub has not confirmed yet. `from` is GitHub's ID of the
     * installation that lost the repositories. Repositories that are in another installation now do not change.
     */
    async noteRemoved(githubAppId: string, externalIds: number[], from?: number): Promise<void> {
      const now = Date.now();
      await ofApp(githubAppId, externalIds, from)
        .whereNull('removed_at')
        .update({ removed_at: now, unconfirmed_at: now, updated_at: now });
    },

    /** Stores removals that GitHub confirmed. Returns the IDs of the repositories whose builds must be stopped now. */
    async markRemoved(githubAppId: string, externalIds: number[], from?: number): Promise<string[]> {
      return markGone(ofApp(githubAppId, externalIds, from));
    },

    /** Returns whether this pass has missed a repository that the installation reached until now. */
    async hasUnseen(githubAppId: string, installationId: string): Promise<boolean> {
      return (await unseen(githubAppId, installationId).whereNull('removed_at').first('id')) !== undefined;
    },

    /** Marks the repositories that a complete pass has not seen as removed. Returns the same IDs as `markRemoved`. */
    async removeUnseen(githubAppId: string, installationId: string): Promise<string[]> {
      return markGone(unseen(githubAppId, installationId));
    },
  };
}

function escapeLike(text: string): string {
  return text.replaceAll(/[\\%_]/g, (character) => `\\${character}`);
}

function toRepository(row: RepositoryRow): Repository {
  return {
    id: row.id,
    githubAppId: row.github_app_id,
    installationId: row.installation_id,
    externalId: row.external_id,
    owner: row.owner,
    name: row.name,
    fullName: row.full_name,
    url: row.url,
    visibility: row.visibility,
    defaultBranch: row.default_branch,
    archived: Boolean(row.archived),
    removedAt: row.removed_at,
  };
}
