import type { Db } from '../store/connection.ts';

/** A person who, by a signed webhook, made an installation or had asked for it. */
export type InstallationWitness = {
  role: 'sender' | 'requester';
  githubUserId: number;
  accountId: number;
  /** When the installation was made, by GitHub's clock: the webhook may come much later. */
  createdAt: number;
};

/** As far as GitHub's clock may be behind ours. */
const skewMs = 2 * 60_000;

/** Whether the installation was made since, by GitHub's clock, which is not quite ours. */
export function isMadeSince({ createdAt }: InstallationWitness, since: number): boolean {
  return createdAt >= since - skewMs;
}

type Key = { githubAppId: string; externalId: number };

export function installationWitnessesIn(db: Db) {
  return {
    /** An installation is made once: what was written down first stays. */
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

    /** The installations that this person had asked for, and that an owner has made since. */
    async listAnswered(githubAppId: string, requesterId: number, since: number): Promise<number[]> {
      return db('installation_witnesses')
        .where({ github_app_id: githubAppId, role: 'requester', github_user_id: requesterId })
        .where('created_at', '>=', since - skewMs)
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
