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
import type { FrameState } from './request-frame.ts';

export const sessionCookie = 'fairlead_session';

const maxProven = 20_000;

/** The most cookies of one name that `authenticate` tries. Each one costs a look-up. */
const mostCookies = 20;

/**
 * `formToken` is the CSRF token of one of Fairlead's forms. The caller has checked the form's origin. Scripts send a
 * header.
 */
export type Authenticate = (ctx: Context, options?: { formToken?: string | undefined }) => Promise<Caller>;

/**
 * Returns the name under which browsers keep a cookie of Fairlead. On https it has the prefix `__Host-`, which prevents
 * a sibling host from planting such a cookie. Browsers refuse the prefix on plain http.
 */
function cookieName(name: string, publicUrl: string): string {
  return publicUrl.startsWith('https:') ? `__Host-${name}` : name;
}

/** Returns the `Set-Cookie` header of a cookie of Fairlead, which no script can read. */
export function cookieHeader(name: string, value: string, maxAgeSeconds: number, publicUrl: string): string {
  const secure = publicUrl.startsWith('https:') ? '; Secure' : '';
  return `${cookieName(name, publicUrl)}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}${secure}`;
}

/**
 * Returns all values that the browser sent for a cookie of Fairlead, the last one first. Another program on the same
 * host can plant a second cookie with a longer path, which browsers send before ours. Prevents a planted cookie from
 * hiding ours.
 */
export function cookieValues(ctx: Context, name: string, publicUrl: string): string[] {
  const prefix = `${cookieName(name, publicUrl)}=`;
  const pairs = ctx.get('cookie').split(';', 1_000);
  const values = pairs.map((pair) => pair.trim()).filter((pair) => pair.startsWith(prefix));
  return values
    .map((pair) => pair.slice(prefix.length))
    .filter((value) => value !== '')
    .reverse()
    .slice(0, mostCookies);
}

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
   * Returns the caller of the first valid secret. After too many failures, an address that guesses gets a refusal
   * before any look-up. A caller at that address whose secret was valid recently is not locked out.
   */
  async function prove(
    ctx: Context,
    secrets: string[],
    find: (secret: string) => Promise<Caller | undefined>,
  ): Promise<{ caller: Caller; secret: string } | undefined> {
    let mayGuess = true;
    for (const secret of secrets) {
      const hash = hashSecret(secret);
      if (!proven.has(hash) && !limiter.mayGuess(ctx.ip)) {
        mayGuess = false;
        continue;
      }
      const caller = await find(secret);
      if (!caller) {
        proven.delete(hash);
        continue;
      }
      proven.set(hash, true);
      limiter.admitCaller(caller.id, caller.kind === 'token' ? caller.grants[0]?.orgId : undefined);
      return { caller, secret };
    }
    if (!mayGuess) limiter.admitGuess(ctx.ip);
    limiter.noteFailure(ctx.ip);
    return undefined;
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

  return async (ctx, { formToken } = {}) => {
    const header = ctx.get('authorization');
    if (header) {
      const given = /^Bearer +(\S+)$/i.exec(header)?.[1] ?? '';
      const secret = bearerToken.test(given) ? given : '';
      if (adminToken !== undefined && sameSecret(secret, adminToken)) return operator;
      const found = await prove(ctx, [secret], bySecret);
      if (found) return found.caller;
      const advice =
        given === ''
          ? 'Send the token as `Authorization: Bearer <token>`.'
          : 'The token is unknown, revoked or expired. Send a valid one.';
      throw new Problem('unauthenticated', advice);
    }
    const cookies = cookieValues(ctx, sessionCookie, publicUrl);
    if (cookies.length === 0) limiter.admitPublic(ctx.ip);
    const found = cookies.length === 0 ? undefined : await prove(ctx, cookies, bySession);
    if (!found) {
      throw new Problem('unauthenticated', 'Send an API token or a session as `Authorization: Bearer …`.');
    }
    const { caller, secret } = found;
    if (formToken !== undefined) requireToken(formToken, secret);
    else if (!['GET', 'HEAD'].includes(ctx.method)) requireSameSite(ctx, secret, origin);
    (ctx.state as FrameState).sessionToken = secret;
    return caller;
  };
}

/** Prevents cross-site requests. A browser sends the cookie with them, but not the right origin and this token. */
function requireSameSite(ctx: Context, cookie: string, origin: string): void {
  if (ctx.get('origin') !== origin) throw new Problem('csrf_rejected', `Send the header \`Origin: ${origin}\`.`);
  requireToken(ctx.get('x-csrf-token'), cookie);
}

function requireToken(given: string, cookie: string): void {
  if (sameSecret(given, csrfTokenOf(cookie))) return;
  throw new Problem('csrf_rejected', 'Send the `csrf_token` from `GET /v1/me` as `X-CSRF-Token`.');
}

/** Derives the CSRF token from the session token, which no script can read. Nothing needs to be stored. */
export function csrfTokenOf(sessionToken: string): string {
  return createHash('sha256').update(`csrf|${sessionToken}`).digest('base64url');
}

export function sameSecret(given: string, right: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(given)), Buffer.from(hashSecret(right)));
}
