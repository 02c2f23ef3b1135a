import type { Context } from 'koa';
import { type ConnectFlow, connectFlowsIn } from '../../db/connect/connect-flows.ts';
import { sessionsIn } from '../../db/people/sessions.ts';
import { usersIn } from '../../db/people/users.ts';
import type { Db } from '../../db/store/connection.ts';
import { everything } from '../../db/store/tenant.ts';
import { isFinalFlowStatus, nextStep } from '../../domain/connect/flow-status.ts';
import { sessionCookie } from '../http/authenticate.ts';
import { endingFlowCookie, flowCookieHash, newFlowCookie } from '../people/browser.ts';
import { showFlow } from './flow-page.ts';
import { redirectBack } from './flow-view.ts';
import { factsOf, type HopDeps, nextHop } from './next-hop.ts';

const usualPatienceMs = 5_000;
const lookEveryMs = 100;

/** What of a flow says whose it is. */
export type BoundFlow = Pick<ConnectFlow, 'id' | 'orgId' | 'createdBy' | 'browserHash'>;

/** Whether this browser may go through the flow: the one that was first, and not one where somebody else is signed in. */
export async function isItsBrowser(ctx: Context, db: Db, flow: BoundFlow): Promise<boolean> {
  const hash = flowCookieHash(ctx, flow.id);
  return hash !== undefined && hash === flow.browserHash && (await isItsPerson(ctx, db, flow));
}

/** Binds this browser where the flow has none yet. */
export async function bindBrowser(ctx: Context, { database, publicUrl }: HopDeps, flow: ConnectFlow): Promise<boolean> {
  if (!(await isItsPerson(ctx, database.reader, flow))) return false;
  if (flow.browserHash !== null) return flowCookieHash(ctx, flow.id) === flow.browserHash;
  const { hash, header } = newFlowCookie(flow.id, publicUrl);
  const bound = await database.write((trx) => connectFlowsIn(trx, everything).bindBrowser(flow.id, hash));
  if (bound) ctx.append('set-cookie', header);
  return bound;
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

/**
 * Sends the browser on: to GitHub, back to the platform, or to the page that shows how the flow stands. What did not
 * work is shown before it is tried once more, unless the person has `pressed` for that.
 */
export async function goOn(ctx: Context, deps: HopDeps, flowId: string, { pressed = false } = {}): Promise<void> {
  const flow = await settled(deps, flowId);
  if (!flow) return;
  if (isFinalFlowStatus(flow.status)) {
    const cookie = endingFlowCookie(ctx, flow.id, deps.publicUrl);
    if (cookie) ctx.append('set-cookie', cookie);
    // Who was not shown to own the account is told so here, and goes on from the page.
    if (flow.status === 'rejected') return showFlow(ctx, deps.database.reader, flow);
    return seeOther(ctx, redirectBack(flow) ?? `${deps.publicUrl}/connect/${flow.id}`);
  }
  const hop = flow.detail === null || pressed ? await nextHop(deps, flow) : undefined;
  seeOther(ctx, hop ?? `${deps.publicUrl}/connect/${flow.id}`);
}

/** Waits while it is our turn. */
async function settled(
  { database, patienceMs = usualPatienceMs }: HopDeps,
  flowId: string,
): Promise<ConnectFlow | undefined> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const flow = await connectFlowsIn(database.reader, everything).find(flowId);
    const step = flow && nextStep(factsOf(flow));
    if (!flow || step === 'wait' || step === 'over' || step === 'look_for_approval') return flow;
    if (Date.now() >= deadline) return flow;
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

/** Not `ctx.redirect`, which writes the address into a page. */
export function seeOther(ctx: Context, url: string, status = 303): void {
  ctx.status = status;
  ctx.set('location', url);
  ctx.body = null;
  ctx.status = status; // Koa turns a null body into 204
}
