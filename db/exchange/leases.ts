import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { LeaseRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';
import { mintedTokensIn } from './minted-tokens.ts';

/** `expired` is never stored: it follows from the time. */
export const leaseStatuses = ['active', 'revoked', 'expired'] as const;
export type LeaseStatus = (typeof leaseStatuses)[number];

/**
 * What became of the token of a revoked lease.
 * - `revoked`: the provider has confirmed that the token is invalid.
 * - `expires`: the token was not revoked, for example because another lease uses it. It stays valid until it expires.
 * - `unconfirmed`: the provider was or will be asked to revoke it, and has not confirmed that.
 */
export type LeaseOutcome = 'revoked' | 'expires' | 'unconfirmed';

/** The kind of the operations that wait for the revocation of a token. */
export const revocationKind = 'revoke_token';

/**
 * What the token is valid for. Repositories are named by our IDs. `narrowed` says why it allows less than requested.
 */
export type LeaseScope = { repositories: string[]; permissions: Record<string, string>; narrowed?: string };

export type Lease = {
  id: string;
  orgId: string;
  projectId: string;
  integrationId: string;
  appId: string | null;
  buildId: string | null;
  mintedTokenId: string | null;
  purpose: string;
  scope: LeaseScope;
  /** The actor that requested it. */
  holder: string;
  status: LeaseStatus;
  outcome: LeaseOutcome | null;
  createdAt: number;
  expiresAt: number;
  revokedAt: number | null;
};

export type NewLease = Omit<Lease, 'id' | 'status' | 'outcome' | 'createdAt' | 'revokedAt'>;
export type LeaseFilter = {
  projectId?: string | undefined;
  integrationId?: string | undefined;
  buildId?: string | undefined;
  status?: LeaseStatus | undefined;
};

/** Selects the leases to end. With a project, it selects only the leases of that project. */
export type LeaseSelection =
  | { leaseId: string }
  | { buildId: string }
  | { integrationId: string; projectId?: string | undefined };

export function leasesFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('leases'));
  return {
    async find(id: string): Promise<Lease | undefined> {
      const row = await visible().where({ id }).first();
      return row && toLease(row);
    },

    /** Lists the newest first. */
    async list(filter: LeaseFilter, page: PageRequest): Promise<Page<Lease>> {
      const query = visible();
      if (filter.projectId) query.where({ project_id: filter.projectId });
      if (filter.integrationId) query.where({ integration_id: filter.integrationId });
      if (filter.buildId) query.where({ build_id: filter.buildId });
      if (filter.status) query.where({ status: filter.status === 'revoked' ? 'revoked' : 'active' });
      if (filter.status === 'active') query.where('expires_at', '>', Date.now());
      if (filter.status === 'expired') query.where('expires_at', '<=', Date.now());
      return pageOf<LeaseRow, Lease>(query, page, toLease);
    },

    async insert(lease: NewLease): Promise<Lease> {
      const row: LeaseRow = {
        id: newId('lse'),
        org_id: lease.orgId,
        project_id: lease.projectId,
        integration_id: lease.integrationId,
        app_id: lease.appId,
        build_id: lease.buildId,
        minted_token_id: lease.mintedTokenId,
        purpose: lease.purpose,
        scope: JSON.stringify(lease.scope),
        holder: lease.holder,
        status: 'active',
        outcome: null,
        created_at: Date.now(),
        expires_at: lease.expiresAt,
        revoked_at: null,
      };
      await db('leases').insert(row);
      return toLease(row);
    },

    /**
     * Ends these leases, and revokes every token that no other lease uses. After the commit such a token is no longer
     * issued, and its provider is asked to revoke it. Ending an integration also revokes tokens that were minted for it
     * but not issued yet. Returns the tokens that this revokes.
     */
    async revoke(which: LeaseSelection): Promise<string[]> {
      const now = Date.now();
      const ended = await visible()
        .where(columnsOf(which))
        .where({ status: 'active' })
        .where('expires_at', '>', now)
        .update({ status: 'revoked', outcome: 'expires', revoked_at: now })
        .returning('minted_token_id');
      const tokens = new Set(ended.flatMap(({ minted_token_id: id }) => id ?? []));
      if ('integrationId' in which && which.projectId === undefined) {
        const unused = await db('minted_tokens')
          .where({ integration_id: which.integrationId, revoked_at: null })
          .where('expires_at', '>', now)
          .select('id');
        for (const { id } of unused) tokens.add(id);
      }
      const retired = await mintedTokensIn(db).retire([...tokens]);
      await noteOutcome(db, retired, 'unconfirmed');
      return retired;
    },
  };
}

/** Covers all tenants. Use it only with IDs that were authorized when they were stored. */
export const allLeases = (db: Db) => leasesFor(db, everything);

/** Stores the outcome in all revoked leases of these tokens. */
export async function noteOutcome(db: Db, mintedTokenIds: readonly string[], outcome: LeaseOutcome): Promise<void> {
  if (mintedTokenIds.length === 0) return;
  await db('leases').whereIn('minted_token_id', mintedTokenIds).where({ status: 'revoked' }).update({ outcome });
}

function columnsOf(which: LeaseSelection): Partial<LeaseRow> {
  if ('leaseId' in which) return { id: which.leaseId };
  if ('buildId' in which) return { build_id: which.buildId };
  const { integrationId, projectId } = which;
  return { integration_id: integrationId, ...(projectId !== undefined && { project_id: projectId }) };
}

function toLease(row: LeaseRow): Lease {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    integrationId: row.integration_id,
    appId: row.app_id,
    buildId: row.build_id,
    mintedTokenId: row.minted_token_id,
    purpose: row.purpose,
    scope: JSON.parse(row.scope),
    holder: row.holder,
    status: row.status === 'active' && row.expires_at <= Date.now() ? 'expired' : row.status,
    outcome: row.outcome as LeaseOutcome | null,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}
