import type { Db } from '../connection.ts';

/** A person who, by a signed webhook, made an installation or had asked for it. */
export type InstallationWitness = {
  role: 'sender' | 'requester';
  githubUserId: number;
  accountId: number;
  createdAt: number;
};

type Key = { githubAppId: string; externalId: number };

export function installationWitnessesIn(db: Db) {
  return {
    /** An installation is made once: what was written down first stays. */
    async note(
      { githubAppId, externalId }: Key,
      { role, githubUserId, accountId }: Omit<InstallationWitness, 'createdAt'>,
    ): Promise<void> {
      await db('installation_witnesses')
        .insert({
          github_app_id: githubAppId,
          external_id: externalId,
          role,
          github_user_id: githubUserId,
          account_id: accountId,
          created_at: Date.now(),
        })
        .onConflict(['github_app_id', 'external_id', 'role'])
        .ignore();
    },

    /** The installations that this person had asked for, and that an owner has made since. */
    async listAnswered(githubAppId: string, requesterId: number, since: number): Promise<number[]> {
      return db('installation_witnesses')
        .where({ github_app_id: githubAppId, role: 'requester', github_user_id: requesterId })
        .where('created_at', '>=', since)
        .orderBy('created_at', 'desc')
        .pluck('external_id');
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
