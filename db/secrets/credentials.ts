import { sourcesOf } from '../../domain/moves.ts';
import {
  type CredentialStatus,
  credentialMoves,
  type GithubSecretKind,
} from '../../domain/secrets/credential-status.ts';
import type { Db, Transaction } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import type { CredentialRow, CredentialVersionRow } from '../store/tables.ts';
import { rotationsIn, wakeRotation } from './rotations.ts';
export type Credential = {
  id: string;
  /** Null for the operator's own App. */
  orgId: string | null;
  githubAppId: string | null;
  kind: string;
  createdAt: number;
  updatedAt: number;
};

export type CredentialVersion = Pick<CredentialVersionRow, 'version' | 'status'> & {
  createdAt: number;
  updatedAt: number;
};

/** The user name and the expiry date (ms) of an inactive version of a registry's password. */
export type InactiveVersion = { username: string | null; expiresAt: number | null };

const purged = { status: 'purged', sealed: null, key_id: null } as const;

/** How many versions are listed of each credential. Older ones were purged long ago. */
const mostVersions = 20;

/**
 * Stores the metadata of credentials, without the secrets. An App's credentials are reached only through the App. The
 * App is reached only through an integration or a workflow that was authorized.
 */
export function credentialsIn(db: Db) {
  return {
    async find(id: string): Promise<Credential | undefined> {
      const row = await db('credentials').where({ id }).first();
      return row && toCredential(row);
    },

    /** Returns whether the App has a credential of this kind. */
    async has(githubAppId: string, kind: GithubSecretKind): Promise<boolean> {
      return (await db('credentials').where({ github_app_id: githubAppId, kind }).first('id')) !== undefined;
    },

    /** Finds the credential and locks it. If two transactions add a version, the second sees the first one's. */
    async takeOf(githubAppId: string, kind: GithubSecretKind): Promise<Credential | undefined> {
      const credential = db('credentials').where({ github_app_id: githubAppId, kind });
      const row: CredentialRow | undefined = await locked(credential.first());
      return row && toCredential(row);
    },

    /** Lists the credentials of an App, or of an integration that has its own. */
    async listOf(owner: { github_app_id: string } | { integration_id: string }): Promise<Credential[]> {
      return (await db('credentials').where(owner).orderBy('kind')).map(toCredential);
    },

    /** Lists the versions, newest first. */
    async versions(credentialId: string): Promise<CredentialVersion[]> {
      const rows = await db('credential_versions')
        .where({ credential_id: credentialId })
        .orderBy('version', 'desc')
        .limit(mostVersions);
      return rows.map(({ version, status, created_at: createdAt, updated_at: updatedAt }) => ({
        version,
        status,
        createdAt,
        updatedAt,
      }));
    },

    async statusOf(credentialId: string, version: number): Promise<CredentialStatus | undefined> {
      const row = await db('credential_versions').where({ credential_id: credentialId, version }).first('status');
      return row?.status;
    },

    async activeVersion(credentialId: string): Promise<number | undefined> {
      const row = await db('credential_versions').where({ credential_id: credentialId, status: 'active' }).first();
      return row?.version;
    },

    /** Moves a version only from a status that allows it. Purging destroys the secret. */
    async move(credentialId: string, version: number, to: CredentialStatus): Promise<boolean> {
      const moved = await db('credential_versions')
        .where({ credential_id: credentialId, version })
        .whereIn('status', sourcesOf(credentialMoves, to))
        .update({
          status: to,
          updated_at: Date.now(),
          ...(to === 'purged' && { sealed: null, key_id: null }),
        });
      return moved === 1;
    },

    /** Returns the row of the newest version with this status. Its secret is sealed. */
    async newestWith(credentialId: string, status: CredentialStatus): Promise<CredentialVersionRow | undefined> {
      return db('credential_versions')
        .where({ credential_id: credentialId, status })
        .orderBy('version', 'desc')
        .first();
    },

    /**
     * Makes this version the active one. The active one becomes `retiring`, with the login that belongs to it. Any
     * other that was `retiring` is destroyed.
     */
    async promote(credentialId: string, version: number, outgoing: InactiveVersion): Promise<void> {
      const updated_at = Date.now();
      const versions = (status: CredentialStatus) =>
        db('credential_versions').where({ credential_id: credentialId, status });
      await versions('retiring')
        .whereNot({ version })
        .update({ ...purged, updated_at });
      const login = { username: outgoing.username, expires_at: outgoing.expiresAt };
      await versions('active').update({ status: 'retiring', ...login, updated_at });
      await db('credential_versions')
        .where({ credential_id: credentialId, version })
        .update({ status: 'active', username: null, expires_at: null, updated_at });
    },

    /** Destroys the secrets of all versions with this status. */
    async purge(credentialId: string, status: CredentialStatus): Promise<void> {
      await db('credential_versions')
        .where({ credential_id: credentialId, status })
        .update({ ...purged, updated_at: Date.now() });
    },

    /** Restarts the time for which webhooks signed with a retiring version verify. */
    async prolong(credentialId: string, version: number): Promise<void> {
      await db('credential_versions')
        .where({ credential_id: credentialId, version, status: 'retiring' })
        .update({ updated_at: Date.now() });
    },

    /** Destroys every secret except the active one, because nothing needs the others once a rotation has ended. */
    async purgeOthers(credentialId: string): Promise<void> {
      await db('credential_versions')
        .where({ credential_id: credentialId })
        .whereNotIn('status', ['active', 'purged'])
        .update({ ...purged, updated_at: Date.now() });
    },
  };
}

function toCredential(row: CredentialRow): Credential {
  return {
    id: row.id,
    orgId: row.org_id,
    githubAppId: row.github_app_id,
    kind: row.kind,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Destroys the secrets of all versions. The rows stay. A rotation of one of them ends. */
export async function purgeCredentials(
  trx: Transaction,
  owner: { integration_id: string } | { github_app_id: string } | { cloud_account_id: string },
): Promise<number> {
  const credentials: string[] = await trx('credentials').where(owner).pluck('id');
  for (const id of credentials) {
    const rotation = await rotationsIn(trx).findOpen(id);
    // Its workflow sees that the secrets are gone, and ends it.
    if (rotation) await wakeRotation(trx, rotation);
  }
  return trx('credential_versions')
    .whereIn('credential_id', credentials)
    .whereNot({ status: 'purged' })
    .update({ ...purged, updated_at: Date.now() });
}
