import type { Context } from 'koa';
import { z } from 'zod';
import { appendAudit } from '../../db/ops/audit.ts';
import { csrfTokenOf } from '../http/authenticate.ts';
import { type Caller, tenantFor } from '../http/caller.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, type RawTools } from '../http/endpoint.ts';
import { forbiddenPage, html, isFromOwnPage, isOwnNavigation, shownPage, showPage } from '../http/html-page.ts';
import { check, id } from '../http/input.ts';
import { Problem, type ProblemCode } from '../http/problems.ts';
import { readBytes } from '../http/read-body.ts';
import type { FrameState } from '../http/request-frame.ts';
import { isItsBrowser } from '../people/browser.ts';
import { ownerNameOf } from '../people/owner.ts';
import { beginnings, CreateQuery, consentPath, showConsent } from './begin.ts';
import { goOn, onward } from './browser.ts';
import { findArrival, type GithubAnswer, land, refuse } from './land.ts';
import { NewFlow } from './new-flow.ts';
import { hopDeps, ownAppIdOf } from './next-hop.ts';
import { plannedFlow, startFlow } from './start-flow.ts';

/** The parameters that GitHub is known to send. Others are ignored. */
const Answer = z.looseObject({
  state: z.string().min(1).max(200).optional(),
  code: z.string().min(1).max(300).optional(),
  installation_id: z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER).optional(),
  setup_action: z.string().max(20).optional(),
  error: z.string().max(100).optional(),
});
const Wanted = z.strictObject({
  project_id: NewFlow.shape.project_id,
  org_id: NewFlow.shape.org_id,
  owner: NewFlow.shape.owner,
  owner_id: z.coerce.number().int().positive().optional(),
  redirect_url: NewFlow.shape.redirect_url,
});
type Wanted = z.output<typeof Wanted>;
const Install = Wanted.extend({ ticket: z.string().min(1).max(200).optional() });
const InstallForm = Wanted.extend({ csrf_token: z.string().max(200).default('') });

const installPath = '/v1/integrations/github/install';

/** The problems that both install routes return. */
const installProblems: ProblemCode[] = [
  'invalid_request',
  'unauthenticated',
  'missing_scope',
  'not_found',
  'flow_state_refused',
  'github_app_missing',
  'github_app_incomplete',
];

const InstallAddress = z.object({ url: z.string(), flow_id: z.string() }).meta({ id: 'InstallAddress' });

/** The functions behind the landing and install routes, which the routes of the dialect call as well. */
export function githubBrowserHandlers(deps: ApiDeps) {
  const { database, keyring, connect, links } = deps;
  const { redeemTicket } = beginnings(deps);
  const startDeps = () => ({ connect, publicUrl: links.publicUrl });

  /** Handles both `callback` and `installed`. The purpose of the state decides what GitHub must send back. */
  async function landed(ctx: Context, callbackOf: string | undefined): Promise<void> {
    const {
      state,
      code,
      installation_id: installationId,
      setup_action: setupAction,
      error,
    } = check('query', Answer, ctx.query);
    const answer: GithubAnswer = { state, code, installationId, setupAction, error };
    if (state === undefined)
      return code === undefined && error === undefined ? strayed(ctx, setupAction) : refuse('state_missing');
    const arrival = await findArrival(database.reader, answer);
    if (typeof arrival === 'string') return refuse(arrival);
    if (!(await isItsBrowser(ctx, { reader: database.reader, publicUrl: links.publicUrl }, arrival.flow)))
      return refuse('state_foreign');
    // Prevents a code of one App from being used for another one, which can be on another host.
    if (callbackOf !== 'any' && callbackOf !== ownAppIdOf(arrival.flow)) return refuse('callback_foreign');

    const { id, orgId, projectId, createdBy } = arrival.flow;
    const { requestId } = ctx.state as FrameState;
    const refused = await database.write(async (trx) => {
      const refusal = await land(trx, keyring, arrival, answer);
      const act = { actor: createdBy, action: 'flow.landed', target: id, ip: ctx.ip, requestId };
      if (!refusal) await appendAudit(trx, { orgId, projectId, ...act, detail: { purpose: arrival.state.purpose } });
      return refusal;
    });
    if (refused) return refuse(refused);
    await goOn(ctx, hopDeps(deps), id);
  }

  async function install(ctx: Context, tools: RawTools): Promise<void> {
    const { ticket, ...wanted } = check('query', Install, ctx.query);
    if (ticket !== undefined) return redeemTicket(ctx, ticket);
    const caller = await tools.authenticate(ctx);
    if (ctx.get('authorization')) {
      const { url, flowId } = await startFor(ctx, caller, wanted);
      ctx.body = JSON.stringify({ url, flow_id: flowId });
      ctx.type = 'application/json';
      return;
    }
    if (!isOwnNavigation(ctx)) return askToStart(ctx, caller, wanted);
    await startAndRedeem(ctx, caller, wanted);
  }

  /**
   * Asks the person before a flow starts. Without this, another site could send its visitors here with their session,
   * and their flows would use up the organization's limit.
   */
  async function askToStart(ctx: Context, caller: Caller, wanted: Wanted): Promise<void> {
    const asking = { tenant: tenantFor(caller, 'integrations:write'), caller };
    const what = await plannedFlow(database.reader, startDeps(), asking, bodyOf(wanted));
    const { sessionToken = '' } = ctx.state as FrameState;
    const values = Object.entries(wanted).map(([name, value]) => [name, String(value)]);
    showConsent(
      ctx,
      { owner: await ownerNameOf(database.reader, what), hostUrl: what.hostUrl, isNewApp: false },
      installPath,
      {
        ...Object.fromEntries(values),
        csrf_token: csrfTokenOf(sessionToken),
      },
    );
  }

  /** Starts the flow after the person has pressed the button. */
  async function pressInstall(ctx: Context, tools: RawTools): Promise<void> {
    if (!isFromOwnPage(ctx)) throw new Problem('csrf_rejected', 'Open the link again and press its button.');
    const form = new URLSearchParams((await readBytes(ctx.req)).toString('utf8'));
    const { csrf_token: formToken, ...wanted } = check('body', InstallForm, Object.fromEntries(form));
    await startAndRedeem(ctx, await tools.authenticate(ctx, { formToken }), wanted);
  }

  async function startAndRedeem(ctx: Context, caller: Caller, wanted: Wanted): Promise<void> {
    const { url } = await startFor(ctx, caller, wanted);
    await redeemTicket(ctx, new URL(url).searchParams.get('ticket') ?? '');
  }

  async function startFor(ctx: Context, caller: Caller, wanted: Wanted) {
    const tenant = tenantFor(caller, 'integrations:write');
    const { requestId } = ctx.state as FrameState;
    return database.write(async (trx) => {
      const { flow, url } = await startFlow(trx, startDeps(), { tenant, caller }, bodyOf(wanted));
      const { id, orgId, projectId, kind } = flow;
      const act = { actor: caller.id, action: 'flow.started', target: id, ip: ctx.ip, requestId };
      await appendAudit(trx, { orgId, projectId, ...act, detail: { kind } });
      return { url, flowId: id };
    });
  }

  return { landed, install, pressInstall };
}

function bodyOf(wanted: Wanted): NewFlow {
  return NewFlow.parse({ app: 'operator', ...wanted });
}

/** The routes that a browser visits. They need no sign-in: the state and the flow's cookie identify the browser. */
export function githubBrowserRoutes(deps: ApiDeps) {
  const { create, begin } = beginnings(deps);
  const { landed, install, pressInstall } = githubBrowserHandlers(deps);
  return {
    createPage: endpoint({
      method: 'get',
      path: '/v1/integrations/github/create',
      operationId: 'getGithubCreatePage',
      tag: 'integrations',
      summary: 'Show the page to create a GitHub App',
      description:
        'The page works without JavaScript. Only the first browser in which a person presses "Continue" can continue the flow.',
      access: 'public',
      query: CreateQuery,
      success: shownPage,
      others: [onward],
      page: true,
      problems: ['flow_state_refused'],
      raw: create,
    }),
    callback: landing('/callback', 'getGithubCallback', 'Receive the redirect for the operator’s GitHub App', (ctx) =>
      landed(ctx, undefined),
    ),
    appCallback: {
      ...landing(
        '/callback/{github_app}',
        'getGithubAppCallback',
        'Receive the redirect for your own GitHub App',
        (ctx) => landed(ctx, String(ctx['params']?.github_app)),
      ),
      params: z.strictObject({ github_app: id('gha') }),
    },
    installed: landing('/installed', 'getGithubInstalled', 'Receive the redirect after an installation', (ctx) =>
      landed(ctx, 'any'),
    ),
    begin: endpoint({
      method: 'post',
      path: consentPath,
      operationId: 'beginFlow',
      tag: 'integrations',
      summary: 'Continue to GitHub',
      access: 'public',
      form: z.strictObject({ state: z.string().max(200).optional() }),
      success: shownPage,
      others: [onward, forbiddenPage],
      page: true,
      problems: ['csrf_rejected', 'flow_state_refused'],
      raw: begin,
    }),
    install: endpoint({
      method: 'get',
      path: installPath,
      operationId: 'getGithubInstall',
      tag: 'integrations',
      summary: 'Install the operator’s GitHub App',
      description:
        'Send the cookie of a session or a ticket from `POST /v1/integrations/github/start`: you are redirected to GitHub. If a session comes from a page of another site without a ticket, nothing starts before the person presses a button. With a Bearer token you get 200 and the address to open.',
      access: 'public',
      query: Install,
      success: { status: 302, description: 'Redirect to GitHub, to your platform or to the page of the flow' },
      others: [{ status: 200, body: InstallAddress, description: 'With a Bearer token' }, shownPage, forbiddenPage],
      page: true,
      problems: installProblems,
      raw: install,
    }),
    pressInstall: endpoint({
      method: 'post',
      path: installPath,
      operationId: 'pressInstall',
      tag: 'integrations',
      summary: 'Continue to the operator’s GitHub App',
      description: 'The button of the page that `GET` shows to a session that comes from another site.',
      access: 'public',
      form: InstallForm,
      success: onward,
      others: [forbiddenPage],
      page: true,
      problems: [...installProblems, 'csrf_rejected'],
      raw: pressInstall,
    }),
  };
}

function landing(path: string, operationId: string, summary: string, raw: NonNullable<Endpoint['raw']>): Endpoint {
  return endpoint({
    method: 'get',
    path: `/v1/integrations/github${path}`,
    operationId,
    tag: 'integrations',
    summary,
    description:
      'If you repeat the request, you get the first result. A request without `state` changes nothing and shows what to do.',
    access: 'public',
    query: Answer,
    success: onward,
    others: [{ ...shownPage, description: 'A page for a browser that brings no `state`' }, forbiddenPage],
    page: true,
    problems: ['flow_state_refused'],
    raw,
  });
}

/**
 * Shows a page to a browser without a state: an owner approved a colleague's request, or changed the selected
 * repositories.
 */
function strayed(ctx: Context, setupAction: string | undefined): void {
  const said: Record<string, string> = {
    install:
      'If you have just approved the request of a colleague, they can continue now. If you started this, go back to the page where you started.',
    update: 'GitHub has saved the change. It appears in Fairlead shortly.',
    request:
      'GitHub has asked the owner of the account. Go back to the page where you started. It continues after the owner approves.',
  };
  showPage(ctx, {
    title: 'Thank you',
    body: html`<p>${said[setupAction ?? ''] ?? 'There is nothing to do here. Go back to the page where you started.'}</p>`,
  });
}
