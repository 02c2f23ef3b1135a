import { newId } from '../../domain/ids.ts';
import {
  deletedIntegrationStatuses,
  endedIntegrationStatuses,
  type IntegrationStatus,
  integrationMoves,
} from '../../domain/integrations/integration-status.ts';
import { sourcesOf } from '../../domain/moves.ts';
import type { Db } from '../store/connection.ts';
import { hold, locked } from '../store/locks.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { IntegrationRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';
import { usedBy } from './usable-integrations.ts';

export type Integration = {
  id: string;
  orgId: string;
  projectId: string | null;
  kind: string;
  hostUrl: string;
  authMode: string;
  status: IntegrationStatus;
  statusReason: string | null;
  displayName: string;
  metadata: Record<string, unknown>;
  githubAppId: string | null;
  cloudAccountId: string | null;
  /**
   * Where the service is and how Fairlead connects to it. Fairlead sets these values; `metadata` holds the owner's
   * notes.
   */
  settings: Record<string, unknown>;
  /** The App ID and the slug at GitHub, for display. */
  appId: number | null;
  appSlug: string | null;
  createdBy: string;
  revision: number;
  /** Goes up with each change that makes earlier access invalid. */
  epoch: number;
  /** When the credential expires, as the owner has said. */
  expiresAt: number | null;
  checkedAt: number | null;
  lastSuccessAt: number | null;
  createdAt: number;
  updatedAt: number;
};

export type NewIntegration = Pick<
  Integration,
  'orgId' | 'projectId' | 'kind' | 'hostUrl' | 'authMode' | 'status' | 'displayName' | 'githubAppId' | 'createdBy'
> & {
  identityKey: string;
  metadata: Record<string, unknown>;
  cloudAccountId?: string | null;
  settings?: Record<string, unknown>;
  expiresAt?: number | null;
};

/** The changes of a registry. If `cutsOff` is true, credentials based on the old access are no longer issued. */
export type RegistryChanges = {
  settings: Record<string, unknown>;
  identityKey?: string;
  expiresAt?: number | null;
  cutsOff: boolean;
};

export type IntegrationFilter = { kind?: string | undefined; projectId?: string | undefined };

type Joined = IntegrationRow & { app_number: number | null; app_slug: string | null };

export function integrationsFor(db: Db, scope: TenantScope) {
  const columns = { org: 'integrations.org_id', project: 'integrations.project_id' };
  const visible = () => within(scope, db('integrations'), columns);
  /**
   * Selects the integrations of the scope, and those granted to a project in it. Granted ones can be read and used, but
   * not changed.
   */
  const readable = () => {
    // A caller with access to a whole organization sees what is granted in it.
    if (scope.kind === 'everything' || scope.grants.every(({ projectId }) => projectId === undefined)) return visible();
    const granted = within(scope, db('grants')).select('integration_id');
    const query = db('integrations');
    query.where((either) =>
      either.where((own) => void within(scope, own, columns)).orWhereIn('integrations.id', granted),
    );
    return query;
  };
  const joined = (from: ReturnType<typeof visible>) =>
    from
      .leftJoin('github_apps', 'github_apps.id', 'integrations.github_app_id')
      .whereNot('integrations.status', 'deleted')
      .select('integrations.*', 'github_apps.app_id as app_number', 'github_apps.slug as app_slug');
  return {
    async find(id: string): Promise<Integration | undefined> {
      const row: Joined | undefined = await joined(visible()).where('integrations.id', id).first();
      return row && toIntegration(row);
    },

    /**
     * Finds an integration that the scope can read. One that was granted to a project of the scope can be used there,
     * but only its owner can change it.
     */
    async findReadable(id: string): Promise<Integration | undefined> {
      const row: Joined | undefined = await joined(readable()).where('integrations.id', id).first();
      return row && toIntegration(row);
    },

    /**
     * Lists the integrations that the scope can read. With `projectId`, lists the project's own and those granted to
     * it.
     */
    async list({ kind, projectId }: IntegrationFilter, page: PageRequest): Promise<Page<Integration>> {
      // An integration that was never completed is visible by its ID only.
      const query = joined(readable()).whereNot('integrations.status', 'expired');
      if (kind !== undefined) query.where('integrations.kind', kind);
      if (projectId !== undefined) usedBy(db, query, projectId);
      return pageOf<Joined, Integration>(query, page, toIntegration, 'integrations.id');
    },

    /** Returns nothing if this owner already has a connection with the same identity. */
    async insert(integration: NewIntegration): Promise<{ id: string } | undefined> {
      const now = Date.now();
      const row: IntegrationRow = {
        id: newId('int'),
        org_id: integration.orgId,
        project_id: integration.projectId,
        owner_id: integration.projectId ?? integration.orgId,
        kind: integration.kind,
        host_url: integration.hostUrl,
        auth_mode: integration.authMode,
        status: integration.status,
        status_reason: null,
        display_name: integration.displayName,
        metadata: JSON.stringify(integration.metadata),
        identity_key: integration.identityKey,
        github_app_id: integration.githubAppId,
        cloud_account_id: integration.cloudAccountId ?? null,
        settings: JSON.stringify(integration.settings ?? {}),
        checked_at: null,
        last_success_at: null,
        next_check_at: null,
        strikes: 0,
        refusals: 0,
        expires_at: integration.expiresAt ?? null,
        created_by: integration.createdBy,
        revision: 1,
        epoch: 0,
        revocation: null,
        revocation_outcome: null,
        deleted_at: null,
        created_at: now,
        updated_at: now,
      };
      const inserted: { id: string }[] = await db('integrations').insert(row).onConflict().ignore().returning('id');
      return inserted[0];
    },

    async findByIdentity(ownerId: string, identityKey: string): Promise<{ id: string } | undefined> {
      return visible()
        .where({ owner_id: ownerId, identity_key: identityKey })
        .whereNotIn('integrations.status', endedIntegrationStatuses)
        .first('integrations.id');
    },

    /** Returns false if the revision is not the current one. */
    async update(
      id: string,
      revision: number,
      {
        displayName,
        metadata,
        registry,
      }: { displayName?: string; metadata?: Record<string, unknown>; registry?: RegistryChanges },
    ): Promise<boolean> {
      const changed = await visible()
        .where({ id, revision })
        .whereNotIn('status', deletedIntegrationStatuses)
        .update({
          ...(displayName !== undefined && { display_name: displayName }),
          ...(metadata !== undefined && { metadata: JSON.stringify(metadata) }),
          ...(registry && { settings: JSON.stringify(registry.settings) }),
          ...(registry?.identityKey !== undefined && { identity_key: registry.identityKey }),
          ...(registry?.expiresAt !== undefined && { expires_at: registry.expiresAt }),
          ...(registry?.cutsOff && { epoch: db.raw('epoch + 1') as unknown as number }),
          revision: revision + 1,
          updated_at: Date.now(),
        });
      return changed === 1;
    },

    /**
     * Finds the integration and locks it. If two transactions change it, the second sees what the first has written.
     */
    async take(id: string): Promise<Integration | undefined> {
      await hold(locked(visible().where({ id }).first('id')));
      return this.find(id);
    },

    /** Sets the identity of an integration that was created before its identity was known. */
    async setIdentity(
      id: string,
      {
        identityKey,
        metadata,
        displayName,
      }: { identityKey: string; metadata: Record<string, unknown>; displayName: string },
    ): Promise<void> {
      await visible()
        .where({ id })
        .update({
          identity_key: identityKey,
          metadata: JSON.stringify(metadata),
          display_name: displayName,
          updated_at: Date.now(),
        });
    },

    /** Moves the status only from one that allows it, so that a late writer cannot undo a deletion. */
    async moveStatus(id: string, to: IntegrationStatus, reason: string | null = null): Promise<boolean> {
      const moved = await visible()
        .where({ id })
        .whereIn('status', sourcesOf(integrationMoves, to))
        .update({ status: to, status_reason: reason, updated_at: Date.now() });
      return moved === 1;
    },
  };
}

/**
 * Returns `integrationsFor` without a tenant filter. Use it only with IDs that were authorized when they were stored.
 */
export const allIntegrations = (db: Db) => integrationsFor(db, everything);

function toIntegration(row: Joined): Integration {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    kind: row.kind,
    hostUrl: row.host_url,
    authMode: row.auth_mode,
    status: row.status,
    statusReason: row.status_reason,
    displayName: row.display_name,
    metadata: JSON.parse(row.metadata) as Record<string, unknown>,
    githubAppId: row.github_app_id,
    cloudAccountId: row.cloud_account_id,
    settings: JSON.parse(row.settings) as Record<string, unknown>,
    appId: row.app_number,
    appSlug: row.app_slug,
    createdBy: row.created_by,
    revision: row.revision,
    epoch: row.epoch,
    expiresAt: row.expires_at,
    checkedAt: row.checked_at,
    lastSuccessAt: row.last_success_at,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
