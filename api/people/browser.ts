import type { Context } from 'koa';
import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import { sessionsIn } from '../../db/people/sessions.ts';
import { usersIn } from '../../db/people/users.ts';
import type { Db } from '../../db/store/connection.ts';
import { hashSecret, newSecret } from '../../db/store/sealing.ts';
import { cookieHeader, cookieValues, sessionCookie } from '../http/authenticate.ts';

/** As long as an owner's approval can take. */
const maxAgeSeconds = 31 * 24 * 3600;
const endedSeconds = 3600;

/** The store, and the public address. Cookies have other names if that address is on https. */
export type BrowserDeps = { reader: Db; publicUrl: string };

/** Returns the name of the flow's cookie. A browser can have several open flows, so each has its own cookie. */
function nameOf(flowId: string): string {
  return `fairlead_${flowId}`;
}

/** Returns the cookie that binds this browser to the flow, if it has that one. */
function flowSecret(ctx: Context, { id, browserHash }: Pick<BoundFlow, 'id' | 'browserHash'>, publicUrl: string) {
  return cookieValues(ctx, nameOf(id), publicUrl).find((secret) => hashSecret(secret) === browserHash);
}

/** Returns whether the flow is bound to a browser, and this is that browser. */
export function hasFlowCookie(
  ctx: Context,
  flow: Pick<BoundFlow, 'id' | 'browserHash'>,
  { publicUrl }: Pick<BrowserDeps, 'publicUrl'>,
): boolean {
  return flowSecret(ctx, flow, publicUrl) !== undefined;
}

/** Returns a new cookie. Send it after its hash is stored in the flow. */
export function newFlowCookie(flowId: string, publicUrl: string): { hash: string; header: string } {
  const secret = newSecret('');
  return { hash: hashSecret(secret), header: cookieHeader(nameOf(flowId), secret, maxAgeSeconds, publicUrl) };
}

/**
 * Returns the cookie for a flow that has ended. The person can read the page for another hour, and then the browser
 * drops the cookie.
 */
export function endingFlowCookie(
  ctx: Context,
  flow: Pick<BoundFlow, 'id' | 'browserHash'>,
  publicUrl: string,
): string | undefined {
  const secret = flowSecret(ctx, flow, publicUrl);
  return secret && cookieHeader(nameOf(flow.id), secret, endedSeconds, publicUrl);
}

/** The members of a flow that decide which browser and person it belongs to. */
export type BoundFlow = Pick<ConnectFlow, 'id' | 'orgId' | 'createdBy' | 'browserHash'>;

/** Returns whether the flow is bound to this browser, and no other person is signed in there. */
export async function isItsBrowser(ctx: Context, deps: BrowserDeps, flow: BoundFlow): Promise<boolean> {
  return hasFlowCookie(ctx, flow, deps) && (await isItsPerson(ctx, deps, flow));
}

/**
 * Prevents a signed-in person from being led through another person's flow, or into an organization that they do not
 * belong to.
 */
export async function isItsPerson(ctx: Context, deps: BrowserDeps, flow: BoundFlow): Promise<boolean> {
  const user = await userAt(ctx, deps);
  if (!user) return true;
  return flow.createdBy.startsWith('user:') ? flow.createdBy === `user:${user.id}` : belongsTo(user, flow);
}

/**
 * Returns whether the person is signed in and is a member of the organization. Such a person does not need the
 * confirmation page. An operator can act for every organization, so a stranger's link must not lead an operator past it.
 */
export async function isKnownPerson(ctx: Context, deps: BrowserDeps, flow: BoundFlow): Promise<boolean> {
  const user = await userAt(ctx, deps);
  return user !== undefined && isMember(user, flow) && (await isItsPerson(ctx, deps, flow));
}

/** Returns whether the signed-in person started the flow, and so knows which owner it is for. */
export async function hasBegun(ctx: Context, deps: BrowserDeps, flow: BoundFlow): Promise<boolean> {
  const user = await userAt(ctx, deps);
  return user !== undefined && flow.createdBy === `user:${user.id}` && belongsTo(user, flow);
}

type Person = NonNullable<Awaited<ReturnType<ReturnType<typeof usersIn>['find']>>>;

function belongsTo(person: Person, flow: BoundFlow): boolean {
  return person.ops || isMember(person, flow);
}

function isMember({ memberships }: Person, { orgId }: BoundFlow): boolean {
  return memberships.some((one) => one.orgId === orgId);
}

/** Returns the signed-in person, if there is one. People of a platform have no session here. */
async function userAt(ctx: Context, { reader, publicUrl }: BrowserDeps): Promise<Person | undefined> {
  for (const token of cookieValues(ctx, sessionCookie, publicUrl)) {
    const session = await sessionsIn(reader).findByToken(token);
    const user = session && (await usersIn(reader).find(session.userId));
    if (user) return user;
  }
  return undefined;
}

/** Redirects without `ctx.redirect`, which writes the address into a page. */
export function seeOther(ctx: Context, url: string, status = 303): void {
  ctx.status = status;
  ctx.set('location', url);
  ctx.body = null;
  ctx.status = status; // Koa turns a null body into 204
}
