import { signingKeysIn } from './clouds/signing-keys.ts';
import { mintedTokensIn } from './exchange/minted-tokens.ts';
import { resolveUnreadable, unreadableOwners } from './ops/unreadable-secrets.ts';
import { ifReadable, sealedSecrets } from './secrets/sealed-secrets.ts';
import type { Database, Db } from './store/connection.ts';
import type { Keyring } from './store/sealing.ts';

/**
 * Looks at each owner with an open incident about a secret, and opens all its secrets again. Resolves the incident when
 * all of them open, or when none is left. Does nothing if no incident is open.
 */
export async function recheckUnreadable(database: Database, keyring: Keyring): Promise<void> {
  for (let after = ''; ; ) {
    const owners = await unreadableOwners(database.reader, after);
    for (const { incidentId, ownerId } of owners) {
      after = incidentId;
      if (await isReadable(database.reader, keyring, ownerId)) {
        await database.write((trx) => resolveUnreadable(trx, ownerId));
      }
    }
    if (owners.length === 0) return;
  }
}

async function isReadable(db: Db, keyring: Keyring, ownerId: string): Promise<boolean> {
  const openings: (() => Promise<unknown>)[] = [
    ...(await credentialsOf(db, keyring, ownerId)),
    ...(await tokensOf(db, keyring, ownerId)),
    async () => signingKeysIn(db).isReadable(keyring, ownerId),
  ];
  for (const opening of openings) if ((await ifReadable(opening())) === undefined) return false;
  return !(await isOpenFlow(db, ownerId));
}

async function credentialsOf(db: Db, keyring: Keyring, ownerId: string) {
  const credentials = await db('credentials')
    .where({ github_app_id: ownerId })
    .orWhere({ integration_id: ownerId })
    .orWhere({ cloud_account_id: ownerId });
  const versions = await db('credential_versions')
    .whereIn(
      'credential_id',
      credentials.map(({ id }) => id),
    )
    .whereNotNull('sealed');
  const byId = new Map(credentials.map((credential) => [credential.id, credential]));
  return versions.flatMap((version) => {
    const credential = byId.get(version.credential_id);
    return credential ? [() => sealedSecrets(db, keyring).open(credential, version)] : [];
  });
}

async function tokensOf(db: Db, keyring: Keyring, integrationId: string) {
  const tokens = await db('minted_tokens').where({ integration_id: integrationId }).whereNotNull('sealed').select('id');
  return tokens.map(
    ({ id }) =>
      async () =>
        (await mintedTokensIn(db).open(id, keyring)) ?? null,
  );
}

/** The codes of a browser flow live for minutes. Its incident ends with the flow. */
async function isOpenFlow(db: Db, id: string): Promise<boolean> {
  const now = Date.now();
  const flow = await db('connect_flows')
    .where({ id })
    .whereNull('finished_at')
    .where('expires_at', '>', now)
    .first('id');
  const consent = await db('google_consents')
    .where({ id })
    .whereNull('landed_at')
    .where('expires_at', '>', now)
    .first('id');
  return flow !== undefined || consent !== undefined;
}
