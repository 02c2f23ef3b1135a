import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from 'koa';
import { sessionsIn } from '../../db/people/sessions.ts';
import { findToken, isUseDue, noteTokenUse } from '../../db/people/tokens.ts';
import { usersIn } from '../../db/people/users.ts';
import type { Database } from '../../db/store/connection.ts';
import { hashSecret } from '../../db/store/sealing.ts';
import { bearerToken } from '../../domain/ids.ts';
import { BoundedMap } from './bounded-map.ts';
import { type Caller, callerOfToken, callerOfUser, operator } from './caller.ts';
import { Problem } from './problems.ts';
import type { RateLimiter } from './rate-limit.ts';

export const sessionCookie = 'fairlead_session';

const maxProven = 20_000;

export type Authenticate = (ctx: Context) => Promise<Caller>;

/** Identifies the caller by a Bearer token, a Bearer session or a session cookie. Throws if none of them is valid. */
export function createAuthenticate({
  database,
  adminToken,
  publicUrl,
  limiter,
}: {
  database: Database;
  adminToken?: string | undefined;
  publicUrl: string;
  limiter: RateLimiter;
}): Authenticate {
  const { origin } = new URL(publicUrl);
  /** The hashes of secrets that were valid recently. */
  const proven = new BoundedMap<true>(maxProven);
  const noting = new Set<string>();

  /**
   * Checks the secret. After too many failures, an address that guesses is refused before any look-up. A caller at that
   * address whose secret was valid recently is not locked out.
   */
  async function prove(
    ctx: Context,
    secret: string,
    find: () => Promise<Caller | undefined>,
  ): Promise<Caller | undefined> {
    const hash = hashSecret(secret);
    if (!proven.has(hash)) limiter.admitGuess(ctx.ip);
    const caller = await find();
    if (!caller) {
      proven.delete(hash);
      limiter.noteFailure(ctx.ip);
      return undefined;
    }
    proven.set(hash, true);
    limiter.admitCaller(caller.id, caller.kind === 'token' ? caller.grants[0]?.orgId : undefined);
    return caller;
  }

  async function bySecret(secret: string): Promise<Caller | undefined> {
    if (secret.startsWith('fls_')) return bySession(secret);
    if (!secret.startsWith('flt_')) return undefined;
    const token = await findToken(database.reader, secret);
    if (!token) return undefined;
    // Writes rarely, and once for concurrent requests, because SQLite has only one writer. If the write fails, the
    // request still succeeds.
    if (isUseDue(token) && !noting.has(token.id)) {
      noting.add(token.id);
      await database.write((trx) => noteTokenUse(trx, token.id)).catch(() => {});
      noting.delete(token.id);
    }
    return callerOfToken(token);
  }

  async function bySession(secret: string): Promise<Caller | undefined> {
    const session = await sessionsIn(database.reader).findByToken(secret);
    const user = session && (await usersIn(database.reader).find(session.userId));
    return session && user && callerOfUser(user, session.id);
  }

  return async (ctx) => {
    const header = ctx.get('authorization');
    if (header) {
      const given = /^Bearer +(\S+)$/i.exec(header)?.[1] ?? '';
      const secret = bearerToken.test(given) ? given : '';
      if (adminToken !== undefined && sameSecret(secret, adminToken)) return operator;
      const caller = await prove(ctx, secret, () => bySecret(secret));
      if (caller) return caller;
      throw new Problem('unauthenticated', 'The token is unknown, revoked or expired. Send a valid one.');
    }
    const cookie = ctx.cookies.get(sessionCookie);
    if (!cookie) limiter.admitPublic(ctx.ip);
    const caller = cookie && (await prove(ctx, cookie, () => bySession(cookie)));
    if (!cookie || !caller) {
      throw new Problem('unauthenticated', 'Send an API token or a session as `Authorization: Bearer …`.');
    }
    if (!['GET', 'HEAD'].includes(ctx.method)) requireSameSite(ctx, cookie, origin);
    return caller;
  };
}

/** Prevents cross-site requests. A browser sends the cookie with them, but not the right origin and this token. */
function requireSameSite(ctx: Context, cookie: string, origin: string): void {
  if (ctx.get('origin') !== origin) throw new Problem('csrf_rejected', `Send the header \`Origin: ${origin}\`.`);
  if (!sameSecret(ctx.get('x-csrf-token'), csrfTokenOf(cookie))) {
    throw new Problem('csrf_rejected', 'Send the `csrf_token` from `GET /v1/me` as `X-CSRF-Token`.');
  }
}

/** Derives the CSRF token from the session token, which no script can read. Nothing needs to be stored. */
export function csrfTokenOf(sessionToken: string): string {
  return createHash('sha256').update(`csrf|${sessionToken}`).digest('base64url');
}

function sameSecret(given: string, right: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(given)), Buffer.from(hashSecret(right)));
}
