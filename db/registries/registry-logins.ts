import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import {
  type RegistrySettings,
  registryIdentity,
  registryPasswordKind,
} from '../../domain/registries/registry-settings.ts';
import type { CredentialStatus } from '../../domain/secrets/credential-status.ts';
import { isRollbackPossible } from '../../domain/secrets/rollback.ts';
import type { Integration } from '../integrations/integrations.ts';
import { credentialsIn } from '../secrets/credentials.ts';
import { ifReadable, sealedSecrets } from '../secrets/sealed-secrets.ts';
import type { Db, Transaction } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import type { Keyring } from '../store/sealing.ts';
import type { CredentialRow, CredentialVersionRow } from '../store/tables.ts';

/** `pending` is not proven yet, `active` is in use, and `retiring` was in use before. */
type LoginStatus = 'pending' | 'active' | 'retiring';

/** A user name and a password. It is plain text: use it once, and keep it nowhere. */
export type RegistryLogin = { version: number; username: string; password: string };

/** A login that is not in use, without its password. */
export type InactiveLogin = { version: number; username: string | null; since: number };

type Owner = Pick<Integration, 'id' | 'settings'>;

/** The logins of a registry's integration. At most one has each status. */
export function registryLogins(db: Db, keyring: Keyring) {
  const secrets = sealedSecrets(db, keyring);

  return {
    /** Returns the login with this status. Throws `UnreadableSecret` if it does not open. */
    async find({ id, settings }: Owner, status: LoginStatus): Promise<RegistryLogin | undefined> {
      const found = await secrets.withStatus({ integrationId: id }, registryPasswordKind, status);
      if (found && isTooOld(found)) return undefined;
      const username = found?.username ?? (settings as RegistrySettings).username;
      return found && username !== undefined ? { version: found.version, username, password: found.secret } : undefined;
    },

    /**
     * Stores a login that is used only once the registry accepts it. It replaces one that was not proven yet. If the
     * active login does not open, or there is none, nothing is lost and the new one is active at once. Returns what the
     * new login is: `same` if it is the active one already.
     */
    async offer(
      { id, orgId, settings }: Owner & Pick<Integration, 'orgId'>,
      { username, password, expiresAt }: { username: string; password: string; expiresAt: number | null },
    ): Promise<'pending' | 'active' | 'same'> {
      await dropPendingLogin(db, id);
      const owner = { integrationId: id };
      const active = await ifReadable(secrets.withStatus(owner, registryPasswordKind, 'active'));
      if (!active) {
        await secrets.put(owner, orgId, registryPasswordKind, password);
        return 'active';
      }
      if (active.secret === password && username === (settings as RegistrySettings).username) return 'same';
      await secrets.addPending(active.credential_id, password, { username, expiresAt });
      return 'pending';
    },

    /** Rejects a login that was not proven, and destroys its password. */
    async reject(integrationId: string, version: number): Promise<void> {
      const credential = await credentialOf(db, integrationId);
      if (credential) await secrets.reject(credential.id, version);
    },
  };
}

/** Describes a login that is not in use, without its password. */
export async function describeInactiveLogin(
  db: Db,
  integrationId: string,
  status: Exclude<LoginStatus, 'active'>,
): Promise<InactiveLogin | undefined> {
  const credential = await credentialOf(db, integrationId);
  const row = credential && (await credentialsIn(db).newestWith(credential.id, status));
  if (!row || isTooOld(row)) return undefined;
  return { version: row.version, username: row.username, since: row.updated_at };
}

export async function loginStatus(
  db: Db,
  integrationId: string,
  version: number,
): Promise<CredentialStatus | undefined> {
  const credential = await credentialOf(db, integrationId);
  return credential && credentialsIn(db).statusOf(credential.id, version);
}

export async function dropPendingLogin(db: Db, integrationId: string): Promise<void> {
  const credential = await credentialOf(db, integrationId);
  if (credential) await credentialsIn(db).purge(credential.id, 'pending');
}

/**
 * Makes another login the active one. The active one becomes `retiring`, and the integration can be rolled back to it
 * for a day. Fairlead no longer returns credentials made with it. If another integration of this owner already uses the
 * user name, returns the identity and changes nothing. Returns `gone` if the login was destroyed.
 */
export async function promoteLogin(
  trx: Transaction,
  integration: Integration,
  version: number,
): Promise<{ identityKey: string } | 'gone' | undefined> {
  const { id, orgId, projectId, expiresAt } = integration;
  const settings = integration.settings as RegistrySettings;
  const credential = await credentialOf(trx, id);
  const next =
    credential && (await locked(trx('credential_versions').where({ credential_id: credential.id, version }).first()));
  if (!next || next.status === 'purged') return 'gone';
  const username = next.username ?? settings.username ?? '';
  const identityKey = registryIdentity(settings.registry, { username });
  const other = await trx('integrations')
    .where({ owner_id: projectId ?? orgId, identity_key: identityKey })
    .whereNot({ id })
    .whereNotIn('status', endedIntegrationStatuses)
    .first('id');
  if (other) return { identityKey };

  await credentialsIn(trx).promote(credential.id, version, { username: settings.username ?? '', expiresAt });
  await trx('integrations')
    .where({ id })
    .update({
      settings: JSON.stringify({ ...settings, username }),
      identity_key: identityKey,
      expires_at: next.expires_at,
      epoch: trx.raw('epoch + 1') as unknown as number,
      revision: integration.revision + 1,
      updated_at: Date.now(),
    });
  return undefined;
}

/** After a day, nobody can roll back to a login, even if it is not destroyed yet. */
function isTooOld({ status, updated_at: since }: Pick<CredentialVersionRow, 'status' | 'updated_at'>): boolean {
  return status === 'retiring' && !isRollbackPossible(since);
}

function credentialOf(db: Db, integrationId: string): Promise<CredentialRow | undefined> {
  return db('credentials').where({ integration_id: integrationId, kind: registryPasswordKind }).first();
}
