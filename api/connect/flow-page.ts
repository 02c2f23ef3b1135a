import type { Context } from 'koa';
import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations } from '../../db/github/installations.ts';
import type { Db } from '../../db/store/connection.ts';
import { isFinalFlowStatus } from '../../domain/connect/flow-status.ts';
import { type Content, type Html, type HtmlPage, html, showPage } from '../http/html-page.ts';
import { ownerNameOf } from '../people/owner.ts';
import { redirectBack } from './flow-view.ts';
import { personStep } from './next-hop.ts';

/** The explanation and the advice for each reason why a flow ended. */
const reasons: Record<string, string> = {
  already_connected: 'This account was already connected. Fairlead uses the existing connection.',
  manifest_code_refused: 'GitHub rejected the code, because it was already used or is older than an hour. Start again.',
  conversion_answer_lost:
    'GitHub created the GitHub App, but the response with its secrets was lost, and GitHub sends it only once. Delete the GitHub App on GitHub and start again. To keep it, create a private key and a client secret there, set a new webhook secret, and import it with its App ID.',
  github_app_exists: 'This GitHub App is connected to another organization in Fairlead.',
  ownership_not_proven:
    'GitHub did not confirm that you administer this account. Sign in to GitHub as an owner of it, or ask an owner to install the GitHub App. Then start again. To recognize the owners of an organization, the GitHub App needs the permission to read members.',
  installation_claimed: 'This account is connected to another organization in Fairlead. Delete that connection first.',
  account_mismatch:
    'This connection belongs to another account. Install the GitHub App on that account, or create a new connection for this one.',
  authorization_revoked: 'You revoked the GitHub App’s permission to identify you. Start again.',
  installation_gone: 'The GitHub App is no longer installed. Install it again.',
  request_denied_or_withdrawn: 'The request to install the GitHub App was denied or withdrawn on GitHub.',
  app_not_created: 'The GitHub App was not created within an hour.',
  not_installed: 'The GitHub App was not installed in time.',
  not_approved: 'No owner approved the GitHub App within 30 days.',
  canceled_by_request: 'You can start again at any time.',
  ended_in_temporal: 'An operator ended this connection. You can start again at any time.',
  integration_deleted: 'The integration, its project or its organization was deleted in the meantime.',
  app_credentials_rejected: 'GitHub rejects the private key of the GitHub App. Replace the key.',
  client_credentials_rejected:
    'GitHub rejects the client secret of the GitHub App, so sign-in fails. Replace the secret.',
  redirect_uri_mismatch:
    'The callback URL of the GitHub App does not belong to this instance. Correct it in the settings of the GitHub App.',
};

const titles: Record<string, string> = {
  completed: 'Connected',
  rejected: 'Not connected',
  expired: 'Timed out',
  canceled: 'Canceled',
  failed: 'Connection failed',
};

export async function showFlow(ctx: Context, db: Db, flow: ConnectFlow): Promise<void> {
  const app = await githubAppsIn(db).find(flow.githubAppId);
  const page = isFinalFlowStatus(flow.status) ? ended(flow, await accountOf(db, flow)) : open(flow, app);
  // A browser applies this policy to every redirect that follows a form. The buttons lead to GitHub or back to the
  // platform.
  const formActions = [flow.hostUrl, flow.redirectUrl].filter((url) => url !== null).map((url) => new URL(url).origin);
  const owner = html`<p>For ${await ownerNameOf(db, flow)}.</p>`;
  showPage(ctx, { ...page, body: html`${owner}${page.body}`, formActions });
}

/** Returns the name of the account that the flow connected, as GitHub returned it last. */
async function accountOf(
  db: Db,
  { githubAppId, approvedInstallation, claimedInstallation }: ConnectFlow,
): Promise<string | undefined> {
  const number = approvedInstallation ?? claimedInstallation;
  const installation = number === null ? undefined : await allInstallations(db).findByExternalId(githubAppId, number);
  return installation?.accountLogin;
}

function ended(flow: ConnectFlow, account: string | undefined): HtmlPage {
  const why = flow.reason ? (reasons[flow.reason] ?? flow.reason) : '';
  const back = redirectBack(flow);
  const isConnected = flow.status === 'completed';
  return {
    status: flow.status === 'rejected' ? 403 : 200,
    title: titles[flow.status] ?? flow.status,
    body: html`${isConnected && html`<p><strong>${account ?? 'The account'}</strong> is connected.</p>`}${paragraph(why)}${paragraph(flow.detail)}${isConnected && html`<p>${nextStep(flow)}</p>`}${
      back ? html`<p><a class="button" href="${back}">Continue</a></p>` : html`<p>You can close this page.</p>`
    }`,
  };
}

function nextStep({ rebound, redirectUrl, reason }: ConnectFlow): string {
  if (rebound) {
    const those = rebound === 1 ? 'One app uses' : `${rebound} apps use`;
    return `${those} it again. The next push starts a build.`;
  }
  if (reason !== null) return 'Its apps continue.';
  return redirectUrl === null
    ? 'Next, set a repository of this account as the source of an app, and create a pipeline. Then each push starts a build.'
    : 'Next, choose the repository that you want to build.';
}

function open(flow: ConnectFlow, app: GithubApp | undefined): HtmlPage {
  const step = personStep(flow);
  const base = `/connect/${flow.id}`;
  const body = [list(flow), paragraph(flow.detail)];
  const appName = app?.name ?? flow.appName;
  let title = 'Connecting to GitHub';
  if (step === 'create') {
    title = 'Create a GitHub App';
    body.push(html`<p><a class="button" href="${base}/continue">Continue to GitHub</a></p>`);
  }
  if (step === 'install') {
    title = `Install ${appName}`;
    body.push(html`<p><a class="button" href="${base}/continue">Choose an account on GitHub</a></p>`);
  }
  if (step === 'sign_in') {
    title = 'Confirm your identity';
    body.push(
      html`<p>GitHub tells Fairlead whether you administer the account. Fairlead stores only your GitHub user ID and login.</p>
<p><a class="button" href="${base}/continue">Sign in with GitHub</a></p>`,
    );
  }
  if (step === 'choose_account') {
    title = 'Which account did you ask?';
    body.push(
      html`<p>You asked more than one owner to install ${appName}, or you asked for another project too. Choose the account that you want to connect here. If it is not listed, cancel and start again.</p>`,
      ...(flow.accountChoices ?? []).map(({ id, login }) => button(`${base}/account`, login, { account: id })),
    );
  }
  if (step === 'confirm') {
    title = 'An owner has approved';
    const installation = flow.approvedInstallation ?? 0;
    const account = flow.requestedLogin ?? `the account of installation ${installation}`;
    body.push(
      html`<p>${appName} is now installed on <strong>${account}</strong>. Do you want to connect this account?</p>${button(`${base}/confirm`, 'Connect', { installation })}`,
    );
  }
  if (step === 'none' && flow.status === 'awaiting_approval' && flow.detail !== null) {
    title = 'Request not found';
    body.push(button(`${base}/check`, 'Check now'));
  } else if (step === 'none' && flow.status === 'awaiting_approval') {
    title = 'Waiting for an owner';
    body.push(
      html`<p>An owner of ${flow.requestedLogin ?? 'the account'} must approve ${appName} on GitHub. GitHub has sent them an email. This page checks every minute. You can close it and come back later.</p>${button(`${base}/check`, 'Check now')}`,
    );
  } else if (step === 'none') body.push(html`<p>Please wait. This page continues automatically.</p>`);
  if (flow.status !== 'code_received') body.push(button(`${base}/cancel`, 'Cancel', {}, 'quiet'));
  return { title, body: html`${body.map((part) => html`${part}\n`)}`, ...refreshOf(flow, step) };
}

/** After a change, for example a sign-in, Fairlead checks at once. The page then shows the result soon. */
const freshMs = 30_000;

function refreshOf(flow: ConnectFlow, step: string): { refreshSeconds?: number } {
  if (step !== 'none') return {};
  const isSlow = flow.status === 'awaiting_approval' && flow.githubUserId !== null;
  return { refreshSeconds: isSlow && flow.updatedAt < Date.now() - freshMs ? 60 : 2 };
}

/** Lists the steps and marks the current one, in bold and for screen readers. */
function list(flow: ConnectFlow): Html {
  const steps = flow.kind === 'manifest' ? ['Create the GitHub App'] : [];
  steps.push('Install it on an account', 'Confirm your identity', 'Done');
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

function button(action: string, text: string, values: Record<string, number> = {}, look?: string): Html {
  const fields = Object.entries(values).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
  return html`<form method="post" action="${action}">${fields}<button${look && html` class="${look}"`}>${text}</button></form>`;
}
