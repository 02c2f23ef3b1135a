import { cloudSecretKinds } from '../../domain/registries/registry-settings.ts';
import { credentialsIn } from '../secrets/credentials.ts';
import { ifReadable, sealedSecrets } from '../secrets/sealed-secrets.ts';
import type { Db, Transaction } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import type { CredentialRow } from '../store/tables.ts';
import type { CloudAccount } from './cloud-accounts.ts';

/** How long it is possible to return to the access before. */
export const previousAccessKeptMs = 24 * 3_600_000;

/** The access that is not proven yet, the one in use, or the one before. */
export type AccessStage = 'next' | 'current' | 'previous';

const statusOf = { next: 'pending', current: 'active', previous: 'retiring' } as const;

type Config = Record<string, string>;

/** Returns the settings of an access, if there is one at this stage. */
export function configAt({ config, nextConfig, previous }: CloudAccount, stage: AccessStage): Config | undefined {
  if (stage === 'current') return config;
  if (stage === 'next') return nextConfig ?? undefined;
  return previous && Date.now() - previous.since < previousAccessKeptMs ? previous.config : undefined;
}

/** Opens the secret of an access. A change of the settings alone keeps the secret. */
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

/**
 * Stores an access that is used only once the cloud accepts it. It replaces one that was not proven yet. Returns false
 * if it is the current access already. The revision is the caller's.
 */
export async function offerAccess(
  trx: Transaction,
  keyring: Keyring,
  account: CloudAccount,
  { config, secret }: { config: Config | undefined; secret: string | undefined },
): Promise<boolean> {
  const { id } = account;
  await dropNextSecret(trx, account);
  const credential = await credentialOf(trx, account);
  const active = await ifReadable(secretAt(trx, keyring, account, 'current'));
  const isOtherSecret = secret !== undefined && secret !== active;
  const next = config ?? account.config;
  const isOther = isOtherSecret || !isSame(next, account.config);
  if (isOtherSecret) await sealedSecrets(trx, keyring).addPending(credential?.id ?? '', secret);
  await trx('cloud_accounts')
    .where({ id })
    .update({ next_config: isOther ? JSON.stringify(next) : null });
  return isOther;
}

/** Destroys the secret of an access that was not proven yet. */
export async function dropNextSecret(trx: Transaction, account: CloudAccount): Promise<void> {
  const credential = await credentialOf(trx, account);
  if (credential) await credentialsIn(trx).purge(credential.id, 'pending');
}

/** Destroys an access that the cloud refused before it was used. */
export async function rejectAccess(trx: Transaction, keyring: Keyring, account: CloudAccount): Promise<void> {
  const credential = await credentialOf(trx, account);
  const version = credential && (await credentialsIn(trx).versionWith(credential.id, 'pending'));
  if (version !== undefined) await sealedSecrets(trx, keyring).reject(credential?.id ?? '', version);
  await trx('cloud_accounts').where({ id: account.id }).update({ next_config: null, updated_at: Date.now() });
}

/**
 * Makes another access the current one. It is possible to return to the one that was current for a day. Nobody gets a
 * credential any more that was made with it.
 */
export async function switchAccess(
  trx: Transaction,
  account: CloudAccount,
  stage: Exclude<AccessStage, 'current'>,
): Promise<void> {
  const now = Date.now();
  const config = configAt(account, stage);
  if (!config) throw new Error(`The account ${account.id} has no ${stage} access`);
  const credential = await credentialOf(trx, account);
  const credentials = credentialsIn(trx);
  if (credential) {
    const version = await credentials.versionWith(credential.id, statusOf[stage]);
    if (version !== undefined) await credentials.promote(credential.id, version);
    // Only the settings change. An older secret would not belong to the settings before.
    else await credentials.purge(credential.id, 'retiring');
  }
  await trx('cloud_accounts')
    .where({ id: account.id })
    .update({
      config: JSON.stringify(config),
      next_config: stage === 'next' ? null : nextOf(account),
      previous_config: JSON.stringify(account.config),
      previous_at: now,
      status: 'active',
      status_reason: null,
      epoch: trx.raw('epoch + 1') as unknown as number,
      updated_at: now,
    });
}

function nextOf({ nextConfig }: CloudAccount): string | null {
  return nextConfig && JSON.stringify(nextConfig);
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
