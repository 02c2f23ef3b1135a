import type { Context } from 'koa';
import { z } from 'zod';
import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import { type FlowState, flowStatesIn } from '../../db/connect/flow-states.ts';
import type { Db } from '../../db/store/connection.ts';
import type { StatePurpose } from '../../domain/connect/flow-status.ts';
import { githubManifest } from '../../domain/connect/github-manifest.ts';
import { manifestFormUrl } from '../../domain/github/github-urls.ts';
import type { ApiDeps } from '../http/deps.ts';
import { html, isFromOwnPage, showPage } from '../http/html-page.ts';
import { check } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { readBytes } from '../http/read-body.ts';
import { hasFlowCookie, isItsBrowser, isKnownPerson, seeOther } from '../people/browser.ts';
import { ownerNameOf } from '../people/owner.ts';
import { bindBrowser, goOn } from './browser.ts';
import { refuse } from './land.ts';
import { hopDeps } from './next-hop.ts';

export const CreateQuery = z.strictObject({ state: z.string().max(200).optional() });

/** Submits the form. Without JavaScript, the button does the same. */
const submitScript = `document.forms[0].submit()`;

/**
 * Leads a browser into a flow. It needs a link from Fairlead, and the person first sees which owner gets the
 * connection.
 */
export function beginnings(deps: ApiDeps) {
  const { database, connect, links } = deps;
  const browserDeps = () => ({ reader: database.reader, publicUrl: links.publicUrl });

  async function create(ctx: Context): Promise<void> {
    const { state: given } = check('query', CreateQuery, ctx.query);
    const { state, flow } = await beginning(given, 'create');
    // If the browser returns after this step, it continues at the current step.
    if (flow.browserHash !== null) {
      if (!(await isItsBrowser(ctx, browserDeps(), flow))) return refuse('state_foreign');
      return showManifest(ctx, flow);
    }
    if (state.expiresAt <= Date.now()) return refuse('state_expired');
    if (!(await isKnownPerson(ctx, browserDeps(), flow))) return askForConsent(ctx, database.reader, flow, given ?? '');
    await bindAnd(ctx, flow, () => showManifest(ctx, flow));
  }

  /** Returns the state of a first page of Fairlead and its flow. */
  async function beginning(given: string | undefined, ...purposes: StatePurpose[]) {
    const state = given === undefined ? undefined : await flowStatesIn(database.reader).find(given);
    const flow = state && (await allConnectFlows(database.reader).find(state.flowId));
    if (!state || !flow || !purposes.includes(state.purpose)) return refuse(given ? 'state_unknown' : 'state_missing');
    return { state, flow };
  }

  async function bindAnd(ctx: Context, flow: ConnectFlow, goOnward: () => Promise<void>): Promise<void> {
    if (!(await bindBrowser(ctx, hopDeps(deps), flow))) return refuse('state_foreign');
    await goOnward();
  }

  /** Handles the button of the confirmation page, and binds the flow to this browser. */
  async function begin(ctx: Context): Promise<void> {
    if (!isFromOwnPage(ctx)) throw new Problem('csrf_rejected', 'Open the link again and press its button.');
    const form = new URLSearchParams((await readBytes(ctx.req)).toString('utf8'));
    const given = form.get('state') ?? undefined;
    const { state, flow } = await beginning(given, 'create', 'ticket');
    if (state.purpose === 'ticket') return redeem(ctx, state, flow);
    if (state.expiresAt <= Date.now()) return refuse('state_expired');
    await bindAnd(ctx, flow, () => showManifest(ctx, flow));
  }

  async function showManifest(ctx: Context, flow: ConnectFlow): Promise<void> {
    if (!['created', 'page_served'].includes(flow.status)) {
      return seeOther(ctx, `${links.publicUrl}/connect/${flow.id}`);
    }
    const issued = await database.write(async (trx) => {
      await allConnectFlows(trx).move(flow.id, 'page_served');
      return flowStatesIn(trx).issue(flow.id, 'manifest');
    });
    const { githubAppId, appName: name, appPublic: isPublic, hostUrl, accountLogin } = flow;
    const webhookUrl = connect.webhookUrlFor(githubAppId);
    const manifest = githubManifest({ githubAppId, name, isPublic, publicUrl: links.publicUrl, webhookUrl });
    const action = manifestFormUrl(hostUrl, {
      state: issued,
      ...(accountLogin !== null && { organization: accountLogin }),
    });
    const where = new URL(hostUrl);
    showPage(ctx, {
      title: 'Create a GitHub App',
      body: html`<p>For ${await ownerNameOf(database.reader, flow)}. The next page is on ${where.host}. It shows the name and the permissions of the GitHub App and asks you to create it.</p>
<form method="post" action="${action}"><input type="hidden" name="manifest" value="${JSON.stringify(manifest)}"><button>Continue to ${where.host}</button></form>`,
      formActions: [where.origin],
      script: submitScript,
    });
  }

  async function redeemTicket(ctx: Context, ticket: string): Promise<void> {
    const { state, flow } = await beginning(ticket, 'ticket');
    const isBound = await isItsBrowser(ctx, browserDeps(), flow);
    if (!isBound && state.usedAt === null && !(await isKnownPerson(ctx, browserDeps(), flow))) {
      if (state.expiresAt <= Date.now()) return refuse('state_expired');
      return askForConsent(ctx, database.reader, flow, ticket);
    }
    await redeem(ctx, state, flow);
    if (ctx.status === 303 && ctx.method !== 'POST') ctx.status = 302;
  }

  /** Redeems a ticket once. Only a reload in the same browser can repeat it. */
  async function redeem(ctx: Context, state: FlowState, flow: ConnectFlow): Promise<void> {
    const again = hasFlowCookie(ctx, flow, links);
    if (!again && !(await database.write((trx) => flowStatesIn(trx).use(state.hash)))) {
      return refuse(state.usedAt === null ? 'state_expired' : 'state_foreign');
    }
    await bindAnd(ctx, flow, () => goOn(ctx, hopDeps(deps), flow.id));
  }

  return { create, begin, redeemTicket };
}

export const consentPath = '/connect/begin';

/**
 * Asks an unknown person for confirmation. An attacker's link could connect the person's account to the attacker's
 * organization, so the page names the owner. Nothing starts before the button is pressed, so a link scanner does not
 * use up the link.
 */
async function askForConsent(ctx: Context, db: Db, flow: ConnectFlow, state: string): Promise<void> {
  const { hostUrl, kind } = flow;
  showConsent(ctx, { owner: await ownerNameOf(db, flow), hostUrl, isNewApp: kind === 'manifest' }, consentPath, {
    state,
  });
}

/** Shows who gets the connection and at which host the person continues. The button sends the values to `action`. */
export function showConsent(
  ctx: Context,
  { owner, hostUrl, isNewApp }: { owner: string; hostUrl: string; isNewApp: boolean },
  action: string,
  values: Record<string, string>,
): void {
  const { host, origin } = new URL(hostUrl);
  const what = isNewApp ? 'You will create a GitHub App there and install it.' : 'You will choose an account there.';
  const fields = Object.entries(values).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
  showPage(ctx, {
    title: 'Connect a GitHub account',
    body: html`<p>This connects a GitHub account to <strong>${owner}</strong>. All its members can then build from the repositories of the account.</p>
<p>You continue at <strong>${host}</strong>. ${what} Continue only if you intend to do this.</p>
<form method="post" action="${action}">${fields}<button>Continue</button></form>`,
    // A browser applies this policy to every redirect that follows the form.
    formActions: [origin],
  });
}
