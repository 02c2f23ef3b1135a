import { z } from 'zod';
import { appendAudit } from '../../db/ops/audit.ts';
import { type NewSession, sessionsIn } from '../../db/people/sessions.ts';
import { usersIn } from '../../db/people/users.ts';
import type { Db, Transaction } from '../../db/store/connection.ts';
import { cookieHeader, csrfTokenOf, sessionCookie } from '../http/authenticate.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { epochSeconds, toSeconds } from '../http/input.ts';
import { Problem } from '../http/problems.ts';

const SessionView = z
  .object({
    token: z.string(),
    csrf_token: z.string().describe('Send it as `X-CSRF-Token` with each change that uses the cookie'),
    expires_at: epochSeconds,
    user: z.object({ id: z.string(), name: z.string() }),
  })
  .meta({ id: 'Session' });

const NewSignIn = z
  .strictObject({ code: z.string().min(1).max(200) })
  .meta({ id: 'NewSession', examples: [{ code: '<the code from the sign-in link>' }] });

/** Redeems a code once. The cookie is for browsers. Other clients send the token as Bearer. */
export async function signIn(
  trx: Transaction,
  code: string,
  where: { ip: string; requestId: string },
): Promise<{ session: NewSession; user: { id: string; name: string } }> {
  const userId = await sessionsIn(trx).redeem(code);
  const user = userId && (await usersIn(trx).find(userId));
  if (!user) throw wrongCode();
  const session = await sessionsIn(trx).create(user.id);
  await appendAudit(trx, {
    orgId: null,
    actor: `user:${user.id}`,
    action: 'session.created',
    target: session.id,
    ...where,
  });
  return { session, user };
}

/** Checks the code before the transaction, so that a client that guesses codes does not block the only writer. */
export async function requireCode(reader: Db, code: string): Promise<void> {
  if (!(await sessionsIn(reader).isRedeemable(code))) throw wrongCode();
}

function wrongCode(): Problem {
  return new Problem('sign_in_code_invalid', 'Restart Fairlead to get a new sign-in link.');
}

export function sessionRoutes({ database, links }: Pick<ApiDeps, 'database' | 'links'>): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/sessions',
      operationId: 'createSession',
      tag: 'people',
      summary: 'Sign in with a one-time code',
      access: 'public',
      body: NewSignIn,
      success: { status: 201, body: SessionView },
      secret: ['token', 'csrf_token'],
      problems: ['sign_in_code_invalid'],
      prepare: ({ body }) => requireCode(database.reader, body.code),
      async write({ trx, body, ip, requestId }) {
        const { session, user } = await signIn(trx, body.code, { ip, requestId });
        const seconds = toSeconds(session.expiresAt - Date.now());
        return reply({
          headers: { 'set-cookie': cookieHeader(sessionCookie, session.token, seconds, links.publicUrl) },
          body: {
            token: session.token,
            csrf_token: csrfTokenOf(session.token),
            expires_at: toSeconds(session.expiresAt),
            user,
          },
        });
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/sessions',
      operationId: 'deleteSession',
      tag: 'people',
      summary: 'Sign out',
      access: 'signed_in',
      success: { status: 204 },
      async write({ trx, caller, audit }) {
        if (!caller.sessionId) return;
        await sessionsIn(trx).revoke(caller.sessionId);
        await audit({ orgId: null, action: 'session.revoked', target: caller.sessionId });
        return reply({ headers: { 'set-cookie': cookieHeader(sessionCookie, '', 0, links.publicUrl) } });
      },
    }),
  ];
}
