import type { Context } from 'koa';
import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import type { Db } from '../../db/store/connection.ts';
import { isFinalFlowStatus } from '../../domain/connect/flow-status.ts';
import { type Content, type Html, type HtmlPage, html, showPage } from '../http/html-page.ts';
import { ownerNameOf } from '../people/owner.ts';
import { redirectBack } from './flow-view.ts';
import { personStep } from './next-hop.ts';

/** The explanation and the advice for each reason why a flow ended. */
const reasons: Record<string, string> = {
  already_connected: 'This account was connected before; that connection is used.',
  manifest_code_refused: 'GitHub did not accept the code: it was used before, or an hour has passed. Start again.',
  conversion_answer_lost:
    'GitHub created the App, but its answer with the App’s secrets was lost, and GitHub gives it only once. Delete the App on GitHub and start again; or make a new private key and client secret there, set a new webhook secret, and import the App with its App ID.',
  github_app_exists: 'This App is connected to another organization here.',
  ownership_not_proven:
    'GitHub did not confirm that you administer this account. Sign in to GitHub as an owner of it, or ask an owner to install the App, and start again. An organization’s owners are known to an App only where it was granted to read members.',
  installation_claimed: 'This account is connected to another organization here. It has to be removed there first.',
  account_mismatch:
    'This connection is of another account. Install the App on that one, or connect this account as one of its own.',
  authorization_revoked: 'You have taken back at GitHub that the App may know who you are. Start again.',
  installation_gone: 'The installation is not there any more. Install the App again.',
  request_denied_or_withdrawn: 'The request to install the App is gone from GitHub, and the App was not installed.',
  app_not_created: 'The App was not created within an hour.',
  not_installed: 'The App was not installed in time.',
  not_approved: 'No owner has approved the App within 30 days.',
  canceled_by_request: 'You can start again whenever you like.',
  integration_deleted: 'What was to be connected was deleted in the meantime.',
  app_credentials_rejected: 'GitHub does not accept the App’s private key. It needs a new one.',
  client_credentials_rejected:
    'GitHub does not accept the App’s client secret, so nobody can sign in. It needs a new one.',
  redirect_uri_mismatch: 'The App’s callback address on GitHub is not the one of this instance.',
};

const titles: Record<string, string> = {
  completed: 'Connected',
  rejected: 'Not connected',
  expired: 'This took too long',
  canceled: 'Canceled',
  failed: 'This did not work',
};

export async function showFlow(ctx: Context, db: Db, flow: ConnectFlow): Promise<void> {
  const app = await githubAppsIn(db).find(flow.githubAppId);
  const page = isFinalFlowStatus(flow.status) ? ended(flow) : open(flow, app);
  // A browser applies this policy to every redirect that follows a form. The buttons lead to GitHub or back to the
  // platform.
  const formActions = [flow.hostUrl, flow.redirectUrl].filter((url) => url !== null).map((url) => new URL(url).origin);
  const owner = html`<p>For ${await ownerNameOf(db, flow)}.</p>`;
  showPage(ctx, { ...page, body: html`${owner}${page.body}`, formActions });
}

function ended(flow: ConnectFlow): HtmlPage {
  const why = flow.reason ? (reasons[flow.reason] ?? flow.reason) : '';
  const back = redirectBack(flow);
  const done = flow.status === 'completed' && !why ? 'Pushes to this account’s repositories can build now.' : why;
  return {
    status: flow.status === 'rejected' ? 403 : 200,
    title: titles[flow.status] ?? flow.status,
    body: html`<p>${done}</p>${paragraph(flow.detail)}${
      back ? html`<p><a class="button" href="${back}">Go on</a></p>` : html`<p>You can close this page.</p>`
    }`,
  };
}

function open(flow: ConnectFlow, app: GithubApp | undefined): HtmlPage {
  const step = personStep(flow);
  const base = `/connect/${flow.id}`;
  const body = [list(flow), paragraph(flow.detail)];
  const appName = app?.name ?? flow.appName;
  let title = 'Connecting GitHub';
  if (step === 'create') {
    title = 'Create a GitHub App';
    body.push(html`<p><a class="button" href="${base}/continue">Go on to GitHub</a></p>`);
  }
  if (step === 'install') {
    title = `Install ${appName}`;
    body.push(html`<p><a class="button" href="${base}/continue">Choose an account on GitHub</a></p>`);
  }
  if (step === 'sign_in') {
    title = 'Show GitHub who you are';
    body.push(
      html`<p>GitHub tells us whether you administer the account. We keep nothing but your GitHub name.</p>
<p><a class="button" href="${base}/continue">Sign in with GitHub</a></p>`,
    );
  }
  if (step === 'confirm') {
    title = 'An owner has approved';
    body.push(
      html`<p>${appName} is installed on ${flow.accountLogin ?? 'the account'} now. Connect it?</p>${button(`${base}/confirm`, 'Connect')}`,
    );
  }
  if (step === 'none' && flow.status === 'awaiting_approval') {
    title = 'Waiting for an owner';
    body.push(
      html`<p>An owner of the account has to approve ${appName} on GitHub; they were sent a mail. This page looks every minute, and you may close it and come back.</p>${button(`${base}/check`, 'Look now')}`,
    );
  } else if (step === 'none') body.push(html`<p>One moment: this page goes on by itself.</p>`);
  if (flow.status !== 'code_received') body.push(button(`${base}/cancel`, 'Cancel', 'quiet'));
  return { title, body: html`${body.map((part) => html`${part}\n`)}`, ...refreshOf(flow, step) };
}

function refreshOf(flow: ConnectFlow, step: string): { refreshSeconds?: number } {
  if (step !== 'none') return {};
  return { refreshSeconds: flow.status === 'awaiting_approval' && flow.githubUserId !== null ? 60 : 2 };
}

/** Lists the steps and marks the current one, in bold and for screen readers. */
function list(flow: ConnectFlow): Html {
  const steps = flow.kind === 'manifest' ? ['Create the App on GitHub'] : [];
  steps.push('Install it on an account', 'Show who you are', 'Done');
  const at = currentStep(flow);
  const items = steps.map((text, index) => html`<li${index === at && html` aria-current="step"`}>${text}</li>`);
  return html`<ol class="steps">${items}</ol>`;
}

function currentStep(flow: ConnectFlow): number {
  const first = flow.kind === 'manifest' ? 1 : 0;
  if (['created', 'page_served', 'code_received'].includes(flow.status) && flow.kind === 'manifest') return 0;
  if (flow.status === 'awaiting_approval') return first;
  return flow.claimedInstallation === null ? first : first + 1;
}

function paragraph(text: string | null): Content {
  return text ? html`<p>${text}</p>` : undefined;
}

function button(action: string, text: string, look?: string): Html {
  return html`<form method="post" action="${action}"><button${look && html` class="${look}"`}>${text}</button></form>`;
}
