import type { Context } from 'koa';
import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import { sessionsIn } from '../../db/people/sessions.ts';
import { usersIn } from '../../db/people/users.ts';
import type { Db } from '../../db/store/connection.ts';
import { hashSecret, newSecret } from '../../db/store/sealing.ts';
import { sessionCookie } from '../http/authenticate.ts';

/** As long as an owner's approval may take. */
const maxAgeSeconds = 31 * 24 * 3600;
const endedSeconds = 3600;

/** Several flows may be open in one browser, so each has a cookie of its own; on https no other host can plant one. */
function nameOf(flowId: string, isSecure: boolean): string {
  return `${isSecure ? '__Host-' : ''}fairlead_${flowId}`;
}

/** The hash of the cookie that binds this browser to the flow, where it has one. */
export function flowCookieHash(ctx: Context, flowId: string): string | undefined {
  const secret = ctx.cookies.get(nameOf(flowId, true)) ?? ctx.cookies.get(nameOf(flowId, false));
  return secret ? hashSecret(secret) : undefined;
}

/** A new cookie, which is set once its hash is the flow's. */
export function newFlowCookie(flowId: string, publicUrl: string): { hash: string; header: string } {
  const secret = newSecret('');
  return { hash: hashSecret(secret), header: headerOf(flowId, secret, maxAgeSeconds, publicUrl) };
}

/** For a flow that is over: after an hour, in which its page may still be looked at, the browser forgets it. */
export function endingFlowCookie(ctx: Context, flowId: string, publicUrl: string): string | undefined {
  const secret = ctx.cookies.get(nameOf(flowId, publicUrl.startsWith('https:')));
  return secret && headerOf(flowId, secret, endedSeconds, publicUrl);
}

function headerOf(flowId: string, secret: string, maxAge: number, publicUrl: string): string {
  const isSecure = publicUrl.startsWith('https:');
  const cookie = `${nameOf(flowId, isSecure)}=${secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAge}`;
  return isSecure ? `${cookie}; Secure` : cookie;
}

/** What of a flow says whose it is. */
export type BoundFlow = Pick<ConnectFlow, 'id' | 'orgId' | 'createdBy' | 'browserHash'>;

/** Whether this browser may go through the flow: the one that was first, and not one where somebody else is signed in. */
export async function isItsBrowser(ctx: Context, db: Db, flow: BoundFlow): Promise<boolean> {
  const hash = flowCookieHash(ctx, flow.id);
  return hash !== undefined && hash === flow.browserHash && (await isItsPerson(ctx, db, flow));
}

/** Nobody who is signed in here is led through another person's flow, nor into an organization that is not theirs. */
export async function isItsPerson(ctx: Context, db: Db, flow: BoundFlow): Promise<boolean> {
  const user = await userAt(ctx, db);
  if (!user) return true;
  return flow.createdBy.startsWith('user:') ? flow.createdBy === `user:${user.id}` : belongsTo(user, flow);
}

/** Whether the person at this browser is known to be of the organization: they need not be told where this leads. */
export async function isKnownPerson(ctx: Context, db: Db, flow: BoundFlow): Promise<boolean> {
  const user = await userAt(ctx, db);
  return user !== undefined && belongsTo(user, flow) && (await isItsPerson(ctx, db, flow));
}

/** Whether the person at this browser is the one who began it: they know for whom without being told. */
export async function hasBegun(ctx: Context, db: Db, flow: BoundFlow): Promise<boolean> {
  const user = await userAt(ctx, db);
  return user !== undefined && flow.createdBy === `user:${user.id}` && belongsTo(user, flow);
}

type Person = NonNullable<Awaited<ReturnType<ReturnType<typeof usersIn>['find']>>>;

function belongsTo({ ops, memberships }: Person, { orgId }: BoundFlow): boolean {
  return ops || memberships.some((one) => one.orgId === orgId);
}

/** A platform's people have no session here. */
async function userAt(ctx: Context, db: Db): Promise<Person | undefined> {
  const token = ctx.cookies.get(sessionCookie);
  const session = token ? await sessionsIn(db).findByToken(token) : undefined;
  return session && usersIn(db).find(session.userId);
}

/** Not `ctx.redirect`, which writes the address into a page. */
export function seeOther(ctx: Context, url: string, status = 303): void {
  ctx.status = status;
  ctx.set('location', url);
  ctx.body = null;
  ctx.status = status; // Koa turns a null body into 204
}
