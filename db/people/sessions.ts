import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import { hashSecret, newSecret } from '../store/sealing.ts';

export type Session = { id: string; userId: string; expiresAt: number };
export type NewSession = { id: string; token: string; expiresAt: number };

const sessionMs = 7 * 24 * 3_600_000;

export function sessionsIn(db: Db) {
  const redeemable = (code: string) =>
    db('sign_in_links')
      .where({ code_hash: hashSecret(code), used_at: null })
      .where('expires_at', '>', Date.now());
  return {
    /** Returns whether a sign-in code is valid now. Only `redeem` decides which caller can use it. */
    async isRedeemable(code: string): Promise<boolean> {
      return (await redeemable(code).first('user_id')) !== undefined;
    },

    /** Uses up a sign-in code, and returns its user. A code works only once. */
    async redeem(code: string): Promise<string | undefined> {
      const used = await redeemable(code).update({ used_at: Date.now() });
      if (used !== 1) return undefined;
      return (
        await db('sign_in_links')
          .where({ code_hash: hashSecret(code) })
          .first()
      )?.user_id;
    },

    /** Creates a session. Only a hash of the returned token is stored. */
    async create(userId: string): Promise<NewSession> {
      const now = Date.now();
      const session = { id: newId('ses'), token: newSecret('fls_'), expiresAt: now + sessionMs };
      await db('sessions').insert({
        id: session.id,
        user_id: userId,
        hash: hashSecret(session.token),
        created_at: now,
        expires_at: session.expiresAt,
        revoked_at: null,
      });
      return session;
    },

    async findByToken(token: string): Promise<Session | undefined> {
      const row = await db('sessions')
        .where({ hash: hashSecret(token), revoked_at: null })
        .first();
      if (!row || row.expires_at <= Date.now()) return undefined;
      return { id: row.id, userId: row.user_id, expiresAt: row.expires_at };
    },

    async revoke(id: string): Promise<void> {
      await db('sessions').where({ id, revoked_at: null }).update({ revoked_at: Date.now() });
    },
  };
}
