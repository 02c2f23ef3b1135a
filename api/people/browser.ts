import type { Context } from 'koa';
import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import { sessionsIn } from '../../db/people/sessions.ts';
import { usersIn } from '../../db/people/users.ts';
import type { Db } from '../../db/store/connection.ts';
import { hashSecret, newSecret } from '../../db/store/sealing.ts';
import { sessionCookie } from '../http/authenticate.ts';

/** As long as an owner's approval can take. */
const maxAgeSeconds = 31 * 24 * 3600;
const endedSeconds = 3600;

/**
 * Returns the name of the flow's cookie. A browser can have several open flows, so each has its own cookie. On https,
 * no other host can plant one.
 */
function nameOf(flowId: string, isSecure: boolean): string {
  return `${isSecure ? '__Host-' : ''}fairlead_${flowId}`;
}

/** Returns the hash of the cookie that binds this browser to the flow, if it has one. */
export function flowCookieHash(ctx: Context, flowId: string): string | undefined {
  const secret = ctx.cookies.get(nameOf(flowId, true)) ?? ctx.cookies.get(nameOf(flowId, false));
  return secret ? hashSecret(secret) : undefined;
}

/** Returns a new cookie. Send it after its hash is stored in the flow. */
export function newFlowCookie(flowId: string, publicUrl: string): { hash: string; header: string } {
  const secret = newSecret('');
  return { hash: hashSecret(secret), header: headerOf(flowId, secret, maxAgeSeconds, publicUrl) };
}

/**
 * Returns the cookie for a flow that has ended. The person can read the page for another hour, and then the browser
 * drops the cookie.
 */
export function endingFlowCookie(ctx: Context, flowId: string, publicUrl: string): string | undefined {
  const secret = ctx.cookies.get(nameOf(flowId, publicUrl.startsWith('https:')));
  return secret && headerOf(flowId, secret, endedSeconds, publicUrl);
}

function headerOf(flowId: string, secret: string, maxAge: number, publicUrl: string): string {
  const isSecure = publicUrl.startsWith('https:');
  const cookie = `${nameOf(flowId, isSecure)}=${secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAge}`;
  return isSecure ? `${cookie}; Secure` : cookie;
}

/** The members of a flow that decide which browser and person it belongs to. */
export type BoundFlow = Pick<ConnectFlow, 'id' | 'orgId' | 'createdBy' | 'browserHash'>;

/** Returns whether the flow is bound to this browser, and no other person is signed in there. */
export async function isItsBrowser(ctx: Context, db: Db, flow: BoundFlow): Promise<boolean> {
  const hash = flowCookieHash(ctx, flow.id);
  return hash !== undefined && hash === flow.browserHash && (await isItsPerson(ctx, db, flow));
}

/**
 * Prevents a signed-in person from being led through another person's flow, or into an organization that they do not
 * belong to.
 */
export async function isItsPerson(ctx: Context, db: Db, flow: BoundFlow): Promise<boolean> {
  const user = await userAt(ctx, db);
  if (!user) return true;
  return flow.createdBy.startsWith('user:') ? flow.createdBy === `user:${user.id}` : belongsTo(user, flow);
}

/**
 * Returns whether the person is signed in and belongs to the organization. Such a person does not need the confirmation
 * page.
 */
export async function isKnownPerson(ctx: Context, db: Db, flow: BoundFlow): Promise<boolean> {
  const user = await userAt(ctx, db);
  return user !== undefined && belongsTo(user, flow) && (await isItsPerson(ctx, db, flow));
}

/** Returns whether the signed-in person started the flow, and so knows which owner it is for. */
export async function hasBegun(ctx: Context, db: Db, flow: BoundFlow): Promise<boolean> {
  const user = await userAt(ctx, db);
  return user !== undefined && flow.createdBy === `user:${user.id}` && belongsTo(user, flow);
}

type Person = NonNullable<Awaited<ReturnType<ReturnType<typeof usersIn>['find']>>>;

function belongsTo({ ops, memberships }: Person, { orgId }: BoundFlow): boolean {
  return ops || memberships.some((one) => one.orgId === orgId);
}

/** Returns the signed-in person, if there is one. People of a platform have no session here. */
async function userAt(ctx: Context, db: Db): Promise<Person | undefined> {
  const token = ctx.cookies.get(sessionCookie);
  const session = token ? await sessionsIn(db).findByToken(token) : undefined;
  return session && usersIn(db).find(session.userId);
}

/** Redirects without `ctx.redirect`, which writes the address into a page. */
export function seeOther(ctx: Context, url: string, status = 303): void {
  ctx.status = status;
  ctx.set('location', url);
  ctx.body = null;
  ctx.status = status; // Koa turns a null body into 204
}
