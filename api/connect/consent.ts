import type { Context } from 'koa';
import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import type { Db } from '../../db/store/connection.ts';
import { escapeHtml, showPage } from '../http/html-page.ts';
import { ownerNameOf } from '../people/owner.ts';

export const consentPath = '/connect/begin';

/**
 * For a browser of which we do not know whose it is: a link that somebody sent may lead to somebody else's
 * organization. It says so, and nothing begins before its button is pressed; a scanner of links uses nothing up.
 */
export async function askForConsent(ctx: Context, db: Db, flow: ConnectFlow, state: string): Promise<void> {
  const owner = escapeHtml(await ownerNameOf(db, flow));
  const host = escapeHtml(new URL(flow.hostUrl).host);
  const what =
    flow.kind === 'manifest'
      ? 'You will make a GitHub App there, and install it.'
      : 'You will choose an account there.';
  showPage(ctx, {
    title: 'Connect a GitHub account',
    body: `<p>This connects a GitHub account to <strong>${owner}</strong>: whoever works there can then build from its repositories.</p>
<p>It goes on at <strong>${host}</strong>. ${what} Go on only if you meant to.</p>
<form method="post" action="${consentPath}"><input type="hidden" name="state" value="${escapeHtml(state)}"><button>Continue</button></form>`,
    // A browser holds the form to this through all redirects that follow it.
    formActions: [new URL(flow.hostUrl).origin],
  });
}
