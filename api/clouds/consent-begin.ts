import type { Context } from 'koa';
import { type ConsentFlow, googleConsentsIn } from '../../db/clouds/google-consents.ts';
import type { ApiDeps } from '../http/deps.ts';
import { html, isFromOwnPage, showPage } from '../http/html-page.ts';
import { Problem } from '../http/problems.ts';
import { readBytes } from '../http/read-body.ts';
import { hasBegun, isItsBrowser, isItsPerson, newFlowCookie, seeOther } from '../people/browser.ts';
import { ownerNameOf } from '../people/owner.ts';

export const beginConsentPath = '/v1/cloud-accounts/gcp/begin';

const googlePages = 'https://accounts.google.com';

type Deps = Pick<ApiDeps, 'database' | 'keyring' | 'googleConsents' | 'links'>;

/**
 * Leads a browser to Google's consent page. It needs a link from Fairlead, and the person first sees which owner gets
 * the access.
 */
export function consentBeginnings({ database, keyring, googleConsents, links }: Deps) {
  const browserDeps = () => ({ reader: database.reader, publicUrl: links.publicUrl });

  async function find(ticket: string | undefined): Promise<ConsentFlow> {
    const flow = ticket === undefined ? undefined : await googleConsentsIn(database.reader).byTicket(ticket);
    if (!flow) return refuseConsent('state_unknown');
    if (flow.landedAt !== null) return refuseConsent('state_used');
    if (flow.expiresAt <= Date.now()) return refuseConsent('state_expired');
    return flow;
  }

  /**
   * Opens the link. A link scanner that opens it starts nothing. Members of the organization see the page too. The
   * consent gives away all their access at Google, and another member or a platform may have sent them the link.
   */
  async function open(ctx: Context, ticket: string | undefined): Promise<void> {
    const flow = await find(ticket);
    if (flow.browserHash !== null || (await hasBegun(ctx, browserDeps(), flow))) return goOn(ctx, flow);
    const owner = await ownerNameOf(database.reader, flow);
    showPage(ctx, {
      title: 'Allow access to your Google account',
      body: html`<p>This allows <strong>${owner}</strong> to use Google Cloud in your name. Its members can then reach everything that you can reach, until you revoke the access.</p>
<p>You continue at <strong>accounts.google.com</strong>. Continue only if you intend to do this.</p>
<form method="post" action="${beginConsentPath}"><input type="hidden" name="ticket" value="${ticket}"><button>Continue</button></form>`,
      // A browser applies this policy to every redirect that follows the form.
      formActions: [googlePages],
    });
  }

  /** Handles the button of that page. */
  async function begin(ctx: Context): Promise<void> {
    if (!isFromOwnPage(ctx)) throw new Problem('csrf_rejected', 'Open the link again and press its button.');
    const form = new URLSearchParams((await readBytes(ctx.req)).toString('utf8'));
    await goOn(ctx, await find(form.get('ticket') ?? undefined));
  }

  /** Binds the flow to this browser and redirects it to Google. */
  async function goOn(ctx: Context, flow: ConsentFlow): Promise<void> {
    const isBound = flow.browserHash !== null;
    const mayGo = isBound ? isItsBrowser(ctx, browserDeps(), flow) : isItsPerson(ctx, browserDeps(), flow);
    if (!(await mayGo)) return refuseConsent('state_foreign');
    const cookie = isBound ? undefined : newFlowCookie(flow.id, links.publicUrl);
    const issued = await database.write(async (trx) => {
      const flows = googleConsentsIn(trx);
      if (cookie && !(await flows.bindBrowser(flow.id, cookie.hash))) return refuseConsent('state_foreign');
      return flows.issueState(flow, keyring);
    });
    if (!issued) return refuseConsent('state_expired');
    if (cookie) ctx.append('set-cookie', cookie.header);
    seeOther(ctx, googleConsents.consentUrl({ state: issued.state, pkce: issued.verifier }));
  }

  return { open, begin };
}

type ConsentRefusal =
  | 'state_missing'
  | 'state_unknown'
  | 'state_expired'
  | 'state_used'
  | 'state_foreign'
  | 'answer_incomplete';

const again = 'Start again from the page that sent you here.';

/** The advice for each refusal. A refusal changes nothing. */
const advice: Record<ConsentRefusal, string> = {
  state_missing: `The address has no \`state\`. ${again}`,
  state_unknown: `This link is unknown, or a newer one has replaced it. ${again}`,
  state_expired: `The link has expired. ${again}`,
  state_used: `The link was already used. ${again}`,
  state_foreign: 'Another browser or another person started this. Continue there, or start again here.',
  answer_incomplete: `The response from Google has no code. ${again}`,
};

export function refuseConsent(reason: ConsentRefusal): never {
  throw new Problem('flow_state_refused', advice[reason], { members: { reason } });
}
