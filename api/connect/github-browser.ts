import type { Context } from 'koa';
import { z } from 'zod';
import { appendAudit } from '../../db/ops/audit.ts';
import { tenantFor } from '../http/caller.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, type RawTools } from '../http/endpoint.ts';
import { forPeople, html, showPage } from '../http/html-page.ts';
import { check, id } from '../http/input.ts';
import type { FrameState } from '../http/request-frame.ts';
import { isItsBrowser } from '../people/browser.ts';
import { beginnings, CreateQuery, consentPath } from './begin.ts';
import { goOn } from './browser.ts';
import { findArrival, type GithubAnswer, land, refuse } from './land.ts';
import { NewFlow } from './new-flow.ts';
import { hopDeps, ownAppIdOf } from './next-hop.ts';
import { startFlow } from './start-flow.ts';

const shownPage = { status: 200, body: z.string(), contentType: 'text/html' };
const onward = { status: 303, description: 'Redirect to GitHub, to your platform or to the page of the flow' };

/** The parameters that GitHub is known to send. Others are ignored. */
const Answer = z.looseObject({
  state: z.string().min(1).max(200).optional(),
  code: z.string().min(1).max(300).optional(),
  installation_id: z.coerce.number().int().positive().max(Number.MAX_SAFE_INTEGER).optional(),
  setup_action: z.string().max(20).optional(),
  error: z.string().max(100).optional(),
});
const Install = z.strictObject({
  ticket: z.string().min(1).max(200).optional(),
  project_id: NewFlow.shape.project_id,
  org_id: NewFlow.shape.org_id,
  owner: NewFlow.shape.owner,
  owner_id: z.coerce.number().int().positive().optional(),
  redirect_url: NewFlow.shape.redirect_url,
});

/** The functions behind the landing and install routes, which the routes of the dialect call as well. */
export function githubBrowserHandlers(deps: ApiDeps) {
  const { database, keyring, connect, links } = deps;
  const { redeemTicket } = beginnings(deps);

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
    if (!(await isItsBrowser(ctx, database.reader, arrival.flow))) return refuse('state_foreign');
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
    const { url, flowId } = await startFor(ctx, tools, wanted);
    if (ctx.get('authorization')) {
      ctx.body = JSON.stringify({ url, flow_id: flowId });
      ctx.type = 'application/json';
      return;
    }
    await redeemTicket(ctx, new URL(url).searchParams.get('ticket') ?? '');
  }

  async function startFor(ctx: Context, { authenticate }: RawTools, wanted: Omit<z.output<typeof Install>, 'ticket'>) {
    const caller = await authenticate(ctx);
    const tenant = tenantFor(caller, 'integrations:write');
    const { requestId } = ctx.state as FrameState;
    return database.write(async (trx) => {
      const body = NewFlow.parse({ app: 'operator', ...wanted });
      const where = { connect, publicUrl: links.publicUrl };
      const { flow, url } = await startFlow(trx, where, { tenant, caller }, body);
      const { id, orgId, projectId, kind } = flow;
      const act = { actor: caller.id, action: 'flow.started', target: id, ip: ctx.ip, requestId };
      await appendAudit(trx, { orgId, projectId, ...act, detail: { kind } });
      return { url, flowId: id };
    });
  }

  return { landed, install };
}

/** The routes that a browser visits. They need no sign-in: the state and the flow's cookie identify the browser. */
export function githubBrowserRoutes(deps: ApiDeps) {
  const { create, begin } = beginnings(deps);
  const { landed, install } = githubBrowserHandlers(deps);
  return {
    createPage: endpoint({
      method: 'get',
      path: '/v1/integrations/github/create',
      operationId: 'getGithubCreatePage',
      tag: 'integrations',
      summary: 'Show the page to create a GitHub App',
      description: 'The page works without JavaScript. Only the first browser that opens it can continue the flow.',
      access: 'public',
      query: CreateQuery,
      success: shownPage,
      problems: ['flow_state_refused'],
      raw: forPeople(create),
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
      success: shownPage,
      problems: ['csrf_rejected', 'flow_state_refused', 'body_too_large'],
      raw: forPeople(begin),
    }),
    install: endpoint({
      method: 'get',
      path: '/v1/integrations/github/install',
      operationId: 'getGithubInstall',
      tag: 'integrations',
      summary: 'Install the operator’s GitHub App',
      description:
        'Send the cookie of a session or a ticket from `POST /v1/integrations/github/start`: you are redirected to GitHub. With a Bearer token you get 200 and the address to open.',
      access: 'public',
      query: Install,
      success: { status: 302, description: 'Redirect to GitHub' },
      problems: [
        'invalid_request',
        'unauthenticated',
        'missing_scope',
        'not_found',
        'flow_state_refused',
        'github_app_missing',
        'github_app_incomplete',
      ],
      raw: forPeople(install),
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
    problems: ['invalid_request', 'flow_state_refused'],
    raw: forPeople(raw),
  });
}

/**
 * Shows a page to a browser without a state: an owner approved a colleague's request, or changed the selected
 * repositories.
 */
function strayed(ctx: Context, setupAction: string | undefined): void {
  const said: Record<string, string> = {
    install:
      'The GitHub App is installed. If a colleague requested it, they can continue now. If you started this, go back to the page where you started.',
    update: 'GitHub has saved the change. It appears in Fairlead shortly.',
    request:
      'GitHub has asked the owner of the account. Go back to the page where you started. It continues after the owner approves.',
  };
  showPage(ctx, {
    title: 'Thank you',
    body: html`<p>${said[setupAction ?? ''] ?? 'There is nothing to do here. Go back to the page where you started.'}</p>`,
  });
}
