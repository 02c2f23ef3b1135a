import type { Db } from '../store/connection.ts';

/** A person who, according to a signed webhook, created or requested an installation. */
export type InstallationWitness = {
  role: 'sender' | 'requester';
  githubUserId: number;
  accountId: number;
  /** When the installation was created, by GitHub's clock. The webhook can arrive much later. */
  createdAt: number;
};

/** Far more approvals than a person gets during a flow. Fairlead asks GitHub about each of them. */
const mostAnswered = 20;

/** How far GitHub's clock might differ from ours. */
export const skewMs = 2 * 60_000;

/**
 * Returns whether the installation was created since then. It allows for the difference between GitHub's clock and
 * ours.
 */
export function isMadeSince({ createdAt }: Pick<InstallationWitness, 'createdAt'>, since: number): boolean {
  return createdAt >= since - skewMs;
}

type Key = { githubAppId: string; externalId: number };

export function installationWitnessesIn(db: Db) {
  return {
    /** Stores a witness. An installation is created only once, so the first record stays. */
    async note(
      { githubAppId, externalId }: Key,
      { role, githubUserId, accountId, createdAt }: InstallationWitness,
    ): Promise<void> {
      await db('installation_witnesses')
        .insert({
          github_app_id: githubAppId,
          external_id: externalId,
          role,
          github_user_id: githubUserId,
          account_id: accountId,
          created_at: createdAt,
        })
        .onConflict(['github_app_id', 'external_id', 'role'])
        .ignore();
    },

    /**
     * Returns the installations that this person had requested, and that an owner has created since then, newest first.
     * Other flows of the person can have requested them.
     */
    async listAnswered(
      githubAppId: string,
      requesterId: number,
      since: number,
    ): Promise<{ externalId: number; accountId: number }[]> {
      const rows = await db('installation_witnesses')
        .where({ github_app_id: githubAppId, role: 'requester', github_user_id: requesterId })
        .where('created_at', '>=', since - skewMs)
        .orderBy('created_at', 'desc')
        .limit(mostAnswered);
      return rows.map((row) => ({ externalId: row.external_id, accountId: row.account_id }));
    },

    async list({ githubAppId, externalId }: Key): Promise<InstallationWitness[]> {
      const rows = await db('installation_witnesses').where({ github_app_id: githubAppId, external_id: externalId });
      return rows.map((row) => ({
        role: row.role,
        githubUserId: row.github_user_id,
        accountId: row.account_id,
        createdAt: row.created_at,
      }));
    },
  };
}
