import type { Context } from 'koa';
import { z } from 'zod';
import { appendAudit } from '../../db/audit.ts';
import { type ConnectFlow, connectFlowsIn } from '../../db/flows/connect-flows.ts';
import { type FlowState, flowStatesIn } from '../../db/flows/flow-states.ts';
import { everything } from '../../db/tenant.ts';
import type { StatePurpose } from '../../domain/flow-status.ts';
import { githubManifest } from '../../domain/github-manifest.ts';
import { manifestFormUrl } from '../../domain/github-urls.ts';
import { tenantFor } from '../caller.ts';
import { bindBrowser, goOn, isItsBrowser, isKnownPerson, seeOther } from '../connect/browser.ts';
import { askForConsent, consentPath } from '../connect/consent.ts';
import { flowCookieHash } from '../connect/flow-cookie.ts';
import { findArrival, type GithubAnswer, type LandingRefusal, land } from '../connect/land.ts';
import { NewFlow } from '../connect/new-flow.ts';
import { hopDeps, ownAppIdOf } from '../connect/next-hop.ts';
import { ownerNameOf } from '../connect/owner-name.ts';
import { refusedLanding } from '../connect/refused-landing.ts';
import { startFlow } from '../connect/start-flow.ts';
import type { ApiDeps } from '../deps.ts';
import { type Endpoint, endpoint, type RawTools } from '../endpoint.ts';
import { escapeHtml, forPeople, isFromOwnPage, showPage } from '../html-page.ts';
import { check, id } from '../input.ts';
import { Problem } from '../problems.ts';
import { readBytes } from '../read-json.ts';
import type { FrameState } from '../request-frame.ts';

const html = { status: 200, body: z.string(), contentType: 'text/html' };
const onward = { status: 303, description: 'To GitHub, back to the platform, or to the page of the flow' };

const State = z.strictObject({ state: z.string().max(200).optional() });
/** Everything that GitHub is known to send, and whatever else it comes up with. */
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

/** Without a script the button does the same. */
const submitScript = `document.forms[0].submit()`;

/** The addresses that a browser goes through. Nobody signs in for them: the state and the flow's cookie tell who it is. */
export function githubBrowserRoutes(deps: ApiDeps): Endpoint[] {
  const { database, keyring, connect, links } = deps;

  async function create(ctx: Context): Promise<void> {
    const { state: given } = check('query', State, ctx.query);
    const { state, flow } = await beginning(given, 'create');
    // One who comes back after this step goes on where the flow is.
    if (flow.browserHash !== null) {
      if (!(await isItsBrowser(ctx, database.reader, flow))) return refuse('state_foreign');
      return showManifest(ctx, flow);
    }
    if (state.expiresAt <= Date.now()) return refuse('state_expired');
    if (!(await isKnownPerson(ctx, database.reader, flow)))
      return askForConsent(ctx, database.reader, flow, given ?? '');
    await bindAnd(ctx, flow, () => showManifest(ctx, flow));
  }

  /** The state of one of our own first pages, and its flow. */
  async function beginning(given: string | undefined, ...purposes: StatePurpose[]) {
    const state = given === undefined ? undefined : await flowStatesIn(database.reader).find(given);
    const flow = state && (await connectFlowsIn(database.reader, everything).find(state.flowId));
    if (!state || !flow || !purposes.includes(state.purpose)) return refuse(given ? 'state_unknown' : 'state_missing');
    return { state, flow };
  }

  async function bindAnd(ctx: Context, flow: ConnectFlow, goOnward: () => Promise<void>): Promise<void> {
    if (!(await bindBrowser(ctx, hopDeps(deps), flow))) return refuse('state_foreign');
    await goOnward();
  }

  /** The button of the page that asks: from here on the flow is this browser's. */
  async function begin(ctx: Context): Promise<void> {
    if (!isFromOwnPage(ctx)) throw new Problem('csrf_rejected', 'Open the link again, and press its button.');
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
      await connectFlowsIn(trx, everything).move(flow.id, 'page_served');
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
      body: `<p>For ${escapeHtml(await ownerNameOf(database.reader, flow))}. The next page is on ${escapeHtml(where.host)}: it shows the name of the App and what it may do, and asks you to create it.</p>
<form method="post" action="${escapeHtml(action)}"><input type="hidden" name="manifest" value="${escapeHtml(JSON.stringify(manifest))}"><button>Go on to ${escapeHtml(where.host)}</button></form>`,
      formActions: [where.origin],
      script: submitScript,
    });
  }

  /** `callback` and `installed` are the same: what the state was given out for tells what comes back. */
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
    // A code that came back for one App is never taken for another one's, which may be of another host.
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
      const asking = { tenant, callerId: caller.id };
      const { flow, url } = await startFlow(trx, { connect, publicUrl: links.publicUrl }, asking, body);
      const { id, orgId, projectId, kind } = flow;
      const act = { actor: caller.id, action: 'flow.started', target: id, ip: ctx.ip, requestId };
      await appendAudit(trx, { orgId, projectId, ...act, detail: { kind } });
      return { url, flowId: id };
    });
  }

  async function redeemTicket(ctx: Context, ticket: string): Promise<void> {
    const { state, flow } = await beginning(ticket, 'ticket');
    const isBound = flow.browserHash !== null && (await isItsBrowser(ctx, database.reader, flow));
    if (!isBound && state.usedAt === null && !(await isKnownPerson(ctx, database.reader, flow))) {
      if (state.expiresAt <= Date.now()) return refuse('state_expired');
      return askForConsent(ctx, database.reader, flow, ticket);
    }
    await redeem(ctx, state, flow);
    if (ctx.status === 303) ctx.status = 302;
  }

  /** Once, but for a reload in the same browser. */
  async function redeem(ctx: Context, state: FlowState, flow: ConnectFlow): Promise<void> {
    const again = flow.browserHash !== null && flowCookieHash(ctx, flow.id) === flow.browserHash;
    if (!again && !(await database.write((trx) => flowStatesIn(trx).use(state.hash)))) {
      return refuse(state.usedAt === null ? 'state_expired' : 'state_foreign');
    }
    await bindAnd(ctx, flow, () => goOn(ctx, hopDeps(deps), flow.id));
  }

  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations/github/create',
      operationId: 'getGithubCreatePage',
      tag: 'integrations',
      summary: 'The page that leads to GitHub’s "Create GitHub App"',
      description: 'Works without JavaScript. The first browser that opens it goes through the flow.',
      access: 'public',
      query: State,
      success: html,
      problems: ['flow_state_refused'],
      raw: forPeople(create),
    }),
    landing('/callback', 'getGithubCallback', 'Where GitHub sends the browser back to, for the operator’s App', (ctx) =>
      landed(ctx, undefined),
    ),
    {
      ...landing('/callback/{github_app}', 'getGithubAppCallback', 'The same for an App of one’s own', (ctx) =>
        landed(ctx, String(ctx['params']?.github_app)),
      ),
      params: z.strictObject({ github_app: id('gha') }),
    },
    landing('/installed', 'getGithubInstalled', 'Where GitHub sends the browser after an installation', (ctx) =>
      landed(ctx, 'any'),
    ),
    endpoint({
      method: 'post',
      path: consentPath,
      operationId: 'beginFlow',
      tag: 'integrations',
      summary: 'Go on to GitHub, having been told for whom',
      access: 'public',
      success: html,
      problems: ['csrf_rejected', 'flow_state_refused', 'body_too_large'],
      raw: forPeople(begin),
    }),
    endpoint({
      method: 'get',
      path: '/v1/integrations/github/install',
      operationId: 'getGithubInstall',
      tag: 'integrations',
      summary: 'Install the operator’s App, in a browser',
      description:
        'By the session’s cookie, or by a ticket of `POST /v1/integrations/github/start`: answers 302 to GitHub. With a Bearer token it answers 200 and the address to open.',
      access: 'public',
      query: Install,
      success: { status: 302, description: 'To GitHub' },
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
  ];
}

function landing(path: string, operationId: string, summary: string, raw: NonNullable<Endpoint['raw']>): Endpoint {
  return endpoint({
    method: 'get',
    path: `/v1/integrations/github${path}`,
    operationId,
    tag: 'integrations',
    summary,
    description:
      'The same again shows the result of the first; a landing without a state changes nothing, and says what to do.',
    access: 'public',
    query: Answer,
    success: onward,
    problems: ['invalid_request', 'flow_state_refused'],
    raw: forPeople(raw),
  });
}

function refuse(refusal: LandingRefusal): never {
  throw refusedLanding(refusal);
}

/** An owner who approved what somebody else had asked for, or who changed which repositories are chosen. */
function strayed(ctx: Context, setupAction: string | undefined): void {
  const said: Record<string, string> = {
    install:
      'The App is installed. If a colleague asked for it, they can go on now; if it was you who began, go back to the page where you did.',
    update: 'GitHub has saved the change. It shows here within moments.',
    request:
      'The owner of the account was asked. Go back to the page where you began: it goes on when they have approved.',
  };
  showPage(ctx, {
    title: 'Thank you',
    body: `<p>${said[setupAction ?? ''] ?? 'There is nothing to do here. Go back to the page where you began.'}</p>`,
  });
}
