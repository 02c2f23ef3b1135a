import { cloudSecretKinds } from '../../domain/registries/registry-settings.ts';
import { isRollbackPossible } from '../../domain/secrets/rollback.ts';
import { credentialsIn } from '../secrets/credentials.ts';
import { ifReadable, sealedSecrets } from '../secrets/sealed-secrets.ts';
import type { Db, Transaction } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import type { CredentialRow } from '../store/tables.ts';
import type { CloudAccount } from './cloud-accounts.ts';

/** `pending` is not proven yet, `active` is in use, and `previous` was in use before. */
export type AccessStage = 'pending' | 'active' | 'previous';

const statusOf = { pending: 'pending', active: 'active', previous: 'retiring' } as const;

type Config = Record<string, string>;

/** Returns the settings of an access, if there is one at this stage. */
export function configAt({ config, pendingConfig, previous }: CloudAccount, stage: AccessStage): Config | undefined {
  if (stage === 'active') return config;
  if (stage === 'pending') return pendingConfig ?? undefined;
  return previous && isRollbackPossible(previous.since) ? previous.config : undefined;
}

/** Opens the secret of an access. If this stage has no secret of its own, returns the active one. */
export async function secretAt(
  db: Db,
  keyring: Keyring,
  { id, authMode }: Pick<CloudAccount, 'id' | 'authMode'>,
  stage: AccessStage,
): Promise<string | undefined> {
  const kind = secretKindOf({ authMode });
  if (!kind) return undefined;
  const secrets = sealedSecrets(db, keyring);
  const found = await secrets.withStatus({ cloudAccountId: id }, kind, statusOf[stage]);
  return found?.secret ?? (await secrets.active({ cloudAccountId: id }, kind));
}

/** An access to prove. What is undefined does not change. The expiry date is that of the secret. */
type Offered = { config: Config | undefined; secret: string | undefined; expiresAt: number | null | undefined };

/**
 * Stores an access that is used only once the cloud accepts it. It adds to one that was not proven yet. Returns false
 * if it is the active access already. The caller raises the revision.
 */
export async function offerAccess(
  trx: Transaction,
  keyring: Keyring,
  account: CloudAccount,
  { config, secret, expiresAt }: Offered,
): Promise<boolean> {
  const { id } = account;
  const credential = await credentialOf(trx, account);
  const active = await ifReadable(secretAt(trx, keyring, account, 'active'));
  // A change adds to one that is pending: settings and secret can come in two requests.
  const pending = account.pendingConfig ? await ifReadable(secretAt(trx, keyring, account, 'pending')) : undefined;
  const next = config ?? account.pendingConfig ?? account.config;
  const nextSecret = secret ?? pending;
  const isOtherSecret = nextSecret !== undefined && nextSecret !== active;
  const isOther = isOtherSecret || !isSame(next, account.config);
  if (secret !== undefined || !isOther) await dropPendingAccess(trx, account);
  if (secret !== undefined && isOtherSecret) {
    const version = { username: null, expiresAt: expiresAt ?? null };
    await sealedSecrets(trx, keyring).addPending(credential?.id ?? '', secret, version);
  }
  await trx('cloud_accounts')
    .where({ id })
    .update({
      pending_config: isOther ? JSON.stringify(next) : null,
      ...(expiresAt !== undefined && !(secret !== undefined && isOtherSecret) && { expires_at: expiresAt }),
    });
  return isOther;
}

/** Drops an access that was not proven yet, and destroys its secret. */
async function dropPendingAccess(trx: Transaction, account: CloudAccount): Promise<void> {
  const credential = await credentialOf(trx, account);
  if (credential) await credentialsIn(trx).purge(credential.id, 'pending');
  await trx('cloud_accounts').where({ id: account.id }).update({ pending_config: null });
}

/** Drops a pending and a previous access, and destroys their secrets. */
export async function dropInactiveAccess(trx: Transaction, account: CloudAccount): Promise<void> {
  await dropPendingAccess(trx, account);
  const credential = await credentialOf(trx, account);
  if (credential) await credentialsIn(trx).purge(credential.id, 'retiring');
  await trx('cloud_accounts').where({ id: account.id }).update({ previous_config: null, previous_at: null });
}

/** Destroys an access that the cloud refused before it was used. */
export async function rejectAccess(trx: Transaction, keyring: Keyring, account: CloudAccount): Promise<void> {
  const credential = await credentialOf(trx, account);
  const pending = credential && (await credentialsIn(trx).newestWith(credential.id, 'pending'));
  if (pending) await sealedSecrets(trx, keyring).reject(pending.credential_id, pending.version);
  await trx('cloud_accounts').where({ id: account.id }).update({ pending_config: null, updated_at: Date.now() });
}

/**
 * Makes another access the active one. For a day, the account can be rolled back to the previous access. Fairlead no
 * longer returns credentials made with it. Drops a pending access.
 */
export async function promoteAccess(
  trx: Transaction,
  account: CloudAccount,
  stage: Exclude<AccessStage, 'active'>,
  { status, checkedAt }: { status: 'active' | 'pending'; checkedAt: number | null },
): Promise<void> {
  const now = Date.now();
  const config = configAt(account, stage);
  if (!config) throw new Error(`The account ${account.id} has no ${stage} access`);
  const credential = await credentialOf(trx, account);
  const credentials = credentialsIn(trx);
  const next = credential && (await credentials.newestWith(credential.id, statusOf[stage]));
  if (credential) {
    if (stage === 'previous') await credentials.purge(credential.id, 'pending');
    const outgoing = { username: null, expiresAt: account.expiresAt };
    if (next) await credentials.promote(credential.id, next.version, outgoing);
    // Only the settings change. An older retiring secret does not match them.
    else await credentials.purge(credential.id, 'retiring');
  }
  await trx('cloud_accounts')
    .where({ id: account.id })
    .update({
      config: JSON.stringify(config),
      pending_config: null,
      expires_at: next ? next.expires_at : account.expiresAt,
      revision: account.revision + 1,
      previous_config: JSON.stringify(account.config),
      previous_at: now,
      status,
      status_reason: null,
      checked_at: checkedAt,
      epoch: trx.raw('epoch + 1') as unknown as number,
      updated_at: now,
    });
}

function secretKindOf({ authMode }: Pick<CloudAccount, 'authMode'>): string | undefined {
  return Object.hasOwn(cloudSecretKinds, authMode)
    ? cloudSecretKinds[authMode as keyof typeof cloudSecretKinds]
    : undefined;
}

async function credentialOf(db: Db, account: CloudAccount): Promise<CredentialRow | undefined> {
  const kind = secretKindOf(account);
  return kind === undefined ? undefined : db('credentials').where({ cloud_account_id: account.id, kind }).first();
}

function isSame(one: Config, other: Config): boolean {
  const names = Object.keys({ ...one, ...other });
  return names.every((name) => one[name] === other[name]);
}
