import type { Knex } from 'knex';
import { missingEssentials } from '../../domain/github/github-features.ts';
import { newId } from '../../domain/ids.ts';
import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { syncWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { allIncidents } from '../ops/incidents.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { InstallationRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

export type Installation = {
  id: string;
  /** The organization that has claimed the installation. */
  orgId: string | null;
  githubAppId: string;
  externalId: number;
  accountLogin: string;
  accountId: number;
  targetType: string;
  repositorySelection: string;
  permissions: Record<string, string>;
  events: string[];
  suspendedAt: number | null;
  removedAt: number | null;
  createdAt: number;
  updatedAt: number;
  /** Why the latest pass could not read its repositories. */
  syncError: string | null;
};

/** An installation as GitHub describes it. */
export type SeenInstallation = Pick<
  Installation,
  'externalId' | 'accountLogin' | 'accountId' | 'targetType' | 'repositorySelection' | 'permissions' | 'events'
> & { suspendedAt: number | null };

export function installationsFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('installations'), { org: 'installations.org_id' });
  return {
    async find(id: string): Promise<Installation | undefined> {
      const row = await visible().where('installations.id', id).first();
      return row && toInstallation(row);
    },

    async findByExternalId(githubAppId: string, externalId: number): Promise<Installation | undefined> {
      const row = await visible().where({ github_app_id: githubAppId, external_id: externalId }).first();
      return row && toInstallation(row);
    },

    /**
     * Lists the installations that the integration is bound to. The caller must have found the integration within its
     * scope.
     */
    async listOf(integrationId: string, page: PageRequest): Promise<Page<Installation>> {
      const query = db('installations')
        .join('bindings', 'bindings.installation_id', 'installations.id')
        .where('bindings.integration_id', integrationId)
        .whereNull('installations.removed_at')
        .select('installations.*');
      return pageOf<InstallationRow, Installation>(query, page, toInstallation, 'installations.id');
    },

    /**
     * Returns the installation that each integration was bound to first. The caller must have found the integrations
     * within its scope.
     */
    async firstOf(integrationIds: string[]): Promise<Map<string, Pick<Installation, 'externalId' | 'accountLogin'>>> {
      const rows: { integration_id: string; external_id: number; account_login: string }[] = await db('bindings')
        .join('installations', 'installations.id', 'bindings.installation_id')
        .whereIn('bindings.integration_id', integrationIds)
        .whereNull('installations.removed_at')
        .orderBy(['bindings.created_at', 'installations.id'])
        .select('bindings.integration_id', 'installations.external_id', 'installations.account_login');
      const first = new Map<string, Pick<Installation, 'externalId' | 'accountLogin'>>();
      for (const { integration_id: id, external_id: externalId, account_login: accountLogin } of rows) {
        if (!first.has(id)) first.set(id, { externalId, accountLogin });
      }
      return first;
    },

    /**
     * Lists the installations of an organization's own App that no integration is bound to. The list is empty if the
     * App is outside the scope.
     */
    async listUnbound({ githubAppId, orgId }: { githubAppId: string; orgId: string }, page: PageRequest) {
      const apps = within(scope, db('github_apps').where({ id: githubAppId, org_id: orgId }), { org: 'org_id' });
      const bound = db('bindings')
        .join('integrations', 'integrations.id', 'bindings.integration_id')
        .whereNotIn('integrations.status', endedIntegrationStatuses);
      const query = db('installations')
        .whereIn('github_app_id', apps.select('id'))
        .whereNull('removed_at')
        .whereNotIn('id', bound.select('bindings.installation_id'));
      return pageOf<InstallationRow, Installation>(query, page, toInstallation);
    },

    async list(filter: { unbound?: boolean | undefined }, page: PageRequest): Promise<Page<Installation>> {
      const query = visible().whereNull('removed_at');
      if (filter.unbound) query.whereNull('org_id');
      return pageOf<InstallationRow, Installation>(query, page, toInstallation);
    },

    /**
     * Writes an installation by GitHub's ID. An existing claim stays, and a returning installation is no longer
     * removed. `readAt` is when GitHub was asked: if the installation was removed or suspended after that, it stays so.
     */
    async upsert(githubAppId: string, seen: SeenInstallation, readAt?: number): Promise<Installation> {
      const now = Date.now();
      const missing = missingEssentials(seen.permissions);
      const columns = {
        account_login: seen.accountLogin,
        account_id: seen.accountId,
        target_type: seen.targetType,
        repository_selection: seen.repositorySelection,
        permissions: JSON.stringify(seen.permissions),
        events: JSON.stringify(seen.events),
        missing_permissions: Object.keys(missing).length > 0 ? JSON.stringify(missing) : null,
        suspended_at: seen.suspendedAt,
        removed_at: null,
        unconfirmed_at: null,
        seen_pass: passOf(db, githubAppId),
        updated_at: now,
      };
      const key = { github_app_id: githubAppId, external_id: seen.externalId };
      const write = db('installations')
        .insert({ id: newId('ins'), org_id: null, ...key, ...columns, created_at: now })
        .onConflict(['github_app_id', 'external_id'])
        .merge(columns);
      if (readAt !== undefined) {
        write.where((older) => {
          older
            .where((present) => present.whereNull('installations.removed_at').whereNull('installations.suspended_at'))
            .orWhere('installations.updated_at', '<', readAt);
        });
      }
      await write;
      return toInstallation((await db('installations').where(key).first()) as InstallationRow);
    },

    /** Claims the installation for one organization. Returns false if another organization has it. */
    async claim(id: string, orgId: string): Promise<boolean> {
      const claimed = await visible()
        .where({ id })
        .where((free) => free.whereNull('org_id').orWhere({ org_id: orgId }))
        .update({ org_id: orgId, updated_at: Date.now() });
      return claimed === 1;
    },

    /**
     * Binds the installation to the integration. If an integration of this owner that is being deleted has it, the
     * binding moves and the deletion does not uninstall it.
     */
    async bind(integrationId: string, installationId: string, ownerId: string): Promise<void> {
      const deleting = db('integrations').where({ owner_id: ownerId, status: 'deleting' }).select('id');
      await db('bindings')
        .where({ owner_id: ownerId, installation_id: installationId })
        .whereIn('integration_id', deleting)
        .delete();
      await db('bindings').insert({
        integration_id: integrationId,
        installation_id: installationId,
        owner_id: ownerId,
        created_at: Date.now(),
      });
      // A new connection means that the owner no longer wants it uninstalled.
      await allIncidents(db).resolveSubject('revocation_unconfirmed', installationId);
    },

    async boundIds(integrationId: string): Promise<string[]> {
      return db('bindings')
        .where({ integration_id: integrationId })
        .orderBy('installation_id')
        .pluck('installation_id');
    },

    /** Returns the newest installation that the integration is bound to: a present one if there is one. */
    async latestOf(integrationId: string): Promise<Installation | undefined> {
      const bound = db('bindings').where({ integration_id: integrationId }).select('installation_id');
      const rows = await db('installations').whereIn('id', bound).orderBy('id', 'desc');
      const latest = rows.find(({ removed_at: removedAt }) => removedAt === null) ?? rows[0];
      return latest && toInstallation(latest);
    },

    /** Returns GitHub's IDs of the accounts that the integration is bound to. */
    async accountsOf(integrationId: string): Promise<number[]> {
      const bound = db('bindings').where({ integration_id: integrationId }).select('installation_id');
      return db('installations').whereIn('id', bound).pluck('account_id');
    },

    /** Returns the integration through which this owner is already bound to the installation. */
    async boundTo(ownerId: string, installationId: string): Promise<string | undefined> {
      const row: { integration_id: string } | undefined = await db('bindings')
        .join('integrations', 'integrations.id', 'bindings.integration_id')
        .where('bindings.owner_id', ownerId)
        .where('bindings.installation_id', installationId)
        .whereNot('integrations.status', 'deleting')
        .first('bindings.integration_id');
      return row?.integration_id;
    },

    /** Stores a suspension that an event reported and GitHub has not confirmed yet. */
    async setSuspended(githubAppId: string, externalId: number, suspendedAt: number): Promise<void> {
      const now = Date.now();
      await visible()
        .where({ github_app_id: githubAppId, external_id: externalId })
        .update({ suspended_at: suspendedAt, unconfirmed_at: now, updated_at: now });
    },

    /** Stores a removal that an event reported and GitHub has not confirmed yet. */
    async noteRemoved(githubAppId: string, externalId: number): Promise<void> {
      const now = Date.now();
      await visible()
        .where({ github_app_id: githubAppId, external_id: externalId, removed_at: null })
        .update({ removed_at: now, unconfirmed_at: now, updated_at: now });
    },

    /** Stores a removal that GitHub returned. This also confirms an uninstallation that had no confirmation yet. */
    async markRemoved(githubAppId: string, externalId: number): Promise<void> {
      const now = Date.now();
      const those = () => visible().where({ github_app_id: githubAppId, external_id: externalId });
      await those().whereNull('removed_at').update({ removed_at: now, updated_at: now });
      await those().whereNotNull('unconfirmed_at').update({ unconfirmed_at: null });
      const ids = (await those().select('installations.id')).map(({ id }) => id);
      await allIncidents(db).resolveSubject('revocation_unconfirmed', ...ids);
    },
  };
}

/**
 * Returns `installationsFor` without a tenant filter. Use it only with IDs that were authorized when they were stored.
 */
export const allInstallations = (db: Db) => installationsFor(db, everything);

/** Returns SQL for the number of the App's latest pass, for use within a statement. */
export function passOf(db: Db, githubAppId: string): Knex.Raw<number> {
  return db.raw('(select sync_pass from github_apps where id = ?)', [githubAppId]);
}

/** Returns a command to read the App's installations and repositories again. Many requests make one pass. */
export async function syncCommand(db: Db, githubAppId: string): Promise<Command> {
  const app = await db('github_apps').where({ id: githubAppId }).first('slug');
  return {
    action: 'signal_with_start',
    workflow: 'syncInstallations',
    workflowId: syncWorkflowId(githubAppId),
    signal: 'requested',
    input: { githubAppId },
    attributes: { Kind: 'syncInstallations', Phase: 'running' },
    summary: `Read the installations of the GitHub App ${app ? `${app.slug} (${githubAppId})` : githubAppId}`,
  };
}

/** Requests a sync unless a request is pending. The pass that follows the pending request reads everything. */
export async function requestSync(trx: Db, githubAppId: string): Promise<void> {
  const pending = await trx('commands')
    .where({ workflow_id: syncWorkflowId(githubAppId), status: 'pending', attempts: 0 })
    .first('id');
  if (!pending) await commandsIn(trx).add(await syncCommand(trx, githubAppId));
}

function toInstallation(row: InstallationRow): Installation {
  return {
    id: row.id,
    orgId: row.org_id,
    githubAppId: row.github_app_id,
    externalId: row.external_id,
    accountLogin: row.account_login,
    accountId: row.account_id,
    targetType: row.target_type,
    repositorySelection: row.repository_selection,
    permissions: JSON.parse(row.permissions),
    events: JSON.parse(row.events),
    suspendedAt: row.suspended_at,
    removedAt: row.removed_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    syncError: row.sync_error,
  };
}
