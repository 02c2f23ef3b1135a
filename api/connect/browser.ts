import type { Context } from 'koa';
import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import { isFinalFlowStatus, nextStep } from '../../domain/connect/flow-status.ts';
import { endingFlowCookie, hasFlowCookie, isItsPerson, newFlowCookie, seeOther } from '../people/browser.ts';
import { showFlow } from './flow-page.ts';
import { redirectBack } from './flow-view.ts';
import { factsOf, type HopDeps, nextHop } from './next-hop.ts';

/** The response to a step of a flow, for the document. */
export const onward = { status: 303, description: 'Redirect to GitHub, to your platform or to the page of the flow' };

const usualPatienceMs = 5_000;
const lookEveryMs = 100;

/** Binds the flow to this browser, unless it is already bound. */
export async function bindBrowser(ctx: Context, { database, publicUrl }: HopDeps, flow: ConnectFlow): Promise<boolean> {
  if (!(await isItsPerson(ctx, { reader: database.reader, publicUrl }, flow))) return false;
  if (flow.browserHash !== null) return hasFlowCookie(ctx, flow, { publicUrl });
  const { hash, header } = newFlowCookie(flow.id, publicUrl);
  const bound = await database.write((trx) => allConnectFlows(trx).bindBrowser(flow.id, hash));
  if (bound) ctx.append('set-cookie', header);
  return bound;
}

/**
 * Redirects the browser to GitHub, back to the platform, or to the page of the flow. After a failed step, the person
 * sees the page before the step runs again, unless they have `pressed` its button.
 */
export async function goOn(ctx: Context, deps: HopDeps, flowId: string, { pressed = false } = {}): Promise<void> {
  const flow = await settled(deps, flowId);
  if (!flow) return;
  if (isFinalFlowStatus(flow.status)) {
    const cookie = endingFlowCookie(ctx, flow, deps.publicUrl);
    if (cookie) ctx.append('set-cookie', cookie);
    // If the person did not prove that they own the account, this page says so. They continue from it.
    if (flow.status === 'rejected') return showFlow(ctx, deps.database.reader, flow);
    return seeOther(ctx, redirectBack(flow) ?? `${deps.publicUrl}/connect/${flow.id}`);
  }
  const hop = flow.detail === null || pressed ? await nextHop(deps, flow) : undefined;
  seeOther(ctx, hop ?? `${deps.publicUrl}/connect/${flow.id}`);
}

/** Waits while Fairlead has to do the next step. */
async function settled(
  { database, patienceMs = usualPatienceMs }: HopDeps,
  flowId: string,
): Promise<ConnectFlow | undefined> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const flow = await allConnectFlows(database.reader).find(flowId);
    const step = flow && nextStep(factsOf(flow));
    if (!flow || step === 'wait' || step === 'over' || step === 'look_for_approval') return flow;
    if (Date.now() >= deadline) return flow;
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}
