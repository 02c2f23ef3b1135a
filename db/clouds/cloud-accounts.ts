import { type CloudAccountStatus, type CloudKind, cloudAccountMoves } from '../../domain/clouds/cloud-accounts.ts';
import { newId } from '../../domain/ids.ts';
import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { sourcesOf } from '../../domain/moves.ts';
import { cloudSecretKinds } from '../../domain/registries/registry-settings.ts';
import { sealedSecrets } from '../secrets/sealed-secrets.ts';
import type { Db, Transaction } from '../store/connection.ts';
import { locked, shared } from '../store/locks.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { Keyring } from '../store/sealing.ts';
import type { CloudAccountRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

export type CloudAccount = {
  id: string;
  orgId: string;
  projectId: string | null;
  kind: CloudKind;
  authMode: string;
  displayName: string;
  /** Role, tenant, client and the like. It holds no secrets. */
  config: Record<string, string>;
  /** The settings of an access that the cloud has not accepted yet. */
  pendingConfig: Record<string, string> | null;
  /** The settings of the previous access, and since when it is no longer in use. */
  previous: { config: Record<string, string>; since: number } | null;
  status: CloudAccountStatus;
  statusReason: string | null;
  checkedAt: number | null;
  /** When the secret in use expires, if its owner has set a date. */
  expiresAt: number | null;
  createdBy: string;
  revision: number;
  /** Increases with each change that makes earlier access invalid. */
  epoch: number;
  createdAt: number;
  updatedAt: number;
};

export type NewCloudAccount = Pick<
  CloudAccount,
  'orgId' | 'projectId' | 'kind' | 'authMode' | 'displayName' | 'config' | 'createdBy'
> & { expiresAt?: number | null };

type Changes = { displayName?: string; config?: Record<string, string>; expiresAt?: number | null };

/** Reads and writes the cloud accounts of organizations and projects. Deleted accounts are not found. */
export function cloudAccountsFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('cloud_accounts')).whereNull('deleted_at');
  return {
    async find(id: string): Promise<CloudAccount | undefined> {
      const row: CloudAccountRow | undefined = await visible().where({ id }).first();
      return row && toCloudAccount(row);
    },

    /** Finds the account and locks it, so that no transaction binds an account that is being deleted. */
    async take(id: string): Promise<CloudAccount | undefined> {
      const row: CloudAccountRow | undefined = await locked(visible().where({ id }).first());
      return row && toCloudAccount(row);
    },

    async list(page: PageRequest): Promise<Page<CloudAccount>> {
      return pageOf<CloudAccountRow, CloudAccount>(visible(), page, toCloudAccount);
    },

    /** Pass `id` if the content of the account has to contain it. */
    async insert(account: NewCloudAccount, id = newId('ca')): Promise<CloudAccount> {
      const now = Date.now();
      const row: CloudAccountRow = {
        id,
        org_id: account.orgId,
        project_id: account.projectId,
        kind: account.kind,
        auth_mode: account.authMode,
        display_name: account.displayName,
        config: JSON.stringify(account.config),
        status: 'pending',
        status_reason: null,
        checked_at: null,
        created_by: account.createdBy,
        revision: 1,
        epoch: 0,
        pending_config: null,
        previous_config: null,
        previous_at: null,
        expires_at: account.expiresAt ?? null,
        deleted_at: null,
        created_at: now,
        updated_at: now,
      };
      await db('cloud_accounts').insert(row);
      return toCloudAccount(row);
    },

    /**
     * Returns false if the revision is no longer the current one. New access starts a new epoch and has to be checked
     * again.
     */
    async update(
      id: string,
      revision: number,
      { displayName, config, expiresAt }: Changes,
      cutsOff: boolean,
    ): Promise<boolean> {
      const changed = await visible()
        .where({ id, revision })
        .update({
          ...(displayName !== undefined && { display_name: displayName }),
          ...(config && { config: JSON.stringify(config) }),
          ...(expiresAt !== undefined && { expires_at: expiresAt }),
          ...(cutsOff && { epoch: db.raw('epoch + 1') as unknown as number, ...unproven }),
          revision: revision + 1,
          updated_at: Date.now(),
        });
      return changed === 1;
    },

    /** Stores what a check has found. False if the check used access that has been replaced since. */
    async moveStatus(
      { id, epoch }: Pick<CloudAccount, 'id' | 'epoch'>,
      to: CloudAccountStatus,
      reason: string | null = null,
    ): Promise<boolean> {
      const now = Date.now();
      const moved = await visible()
        .where({ id, epoch })
        .whereIn('status', [to, ...sourcesOf(cloudAccountMoves, to)])
        .update({ status: to, status_reason: reason, checked_at: now, updated_at: now });
      return moved === 1;
    },

    /** Returns the integrations that inherit the account's access, including those that are being deleted. */
    async boundTo(id: string): Promise<{ id: string; displayName: string }[]> {
      const rows = await db('integrations')
        .where({ cloud_account_id: id })
        .whereNotIn('status', endedIntegrationStatuses)
        .orderBy('id')
        .select('id', 'display_name');
      return rows.map((row) => ({ id: row.id, displayName: row.display_name }));
    },

    async remove(id: string): Promise<boolean> {
      const now = Date.now();
      const gone: Partial<CloudAccountRow> = { status: 'deleted', deleted_at: now, updated_at: now };
      return (
        (await visible()
          .where({ id })
          .update({ ...gone, epoch: db.raw('epoch + 1') as unknown as number })) === 1
      );
    },
  };
}

/** Covers all tenants. Use it only with IDs that were authorized when they were stored. */
export const allCloudAccounts = (db: Db) => cloudAccountsFor(db, everything);

const unproven = { status: 'pending' as const, status_reason: null, checked_at: null };

function toCloudAccount(row: CloudAccountRow): CloudAccount {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    kind: row.kind,
    authMode: row.auth_mode,
    displayName: row.display_name,
    config: JSON.parse(row.config) as Record<string, string>,
    pendingConfig: row.pending_config === null ? null : (JSON.parse(row.pending_config) as Record<string, string>),
    previous:
      row.previous_config === null
        ? null
        : { config: JSON.parse(row.previous_config) as Record<string, string>, since: row.previous_at ?? 0 },
    status: row.status,
    statusReason: row.status_reason,
    checkedAt: row.checked_at,
    expiresAt: row.expires_at,
    createdBy: row.created_by,
    revision: row.revision,
    epoch: row.epoch,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/**
 * Stores the secret of a cloud account and destroys the previous one. Returns false if this secret is already in use.
 */
export async function keepCloudSecret(
  trx: Transaction,
  keyring: Keyring,
  { id, orgId, authMode }: Pick<CloudAccount, 'id' | 'orgId' | 'authMode'>,
  secret: string,
): Promise<boolean> {
  const kind = cloudSecretKinds[authMode as keyof typeof cloudSecretKinds];
  return sealedSecrets(trx, keyring).replace({ cloudAccountId: id }, orgId, kind, secret);
}

/** Returns whether the account is active with this access. If so, it stays until the transaction ends. */
export async function holdActive(trx: Db, { id, epoch }: Pick<CloudAccount, 'id' | 'epoch'>): Promise<boolean> {
  return (await shared(trx('cloud_accounts').where({ id, epoch, status: 'active' }).first('id'))) !== undefined;
}
