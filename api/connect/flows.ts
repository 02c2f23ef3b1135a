import type { Context } from 'koa';
import { z } from 'zod';
import { allConnectFlows, type ConnectFlow, connectFlowsFor } from '../../db/connect/connect-flows.ts';
import { nudgeFlow } from '../../db/connect/flow-commands.ts';
import { allIntegrations } from '../../db/integrations/integrations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import type { Db, Transaction } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { isId } from '../../domain/ids.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { comesFromElsewhere, forbiddenPage, html, isFromOwnPage, shownPage, showPage } from '../http/html-page.ts';
import { id, PageQuery, pageRequest } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { readBytes } from '../http/read-body.ts';
import type { FrameState } from '../http/request-frame.ts';
import { isItsBrowser } from '../people/browser.ts';
import { goOn, onward } from './browser.ts';
import { showFlow } from './flow-page.ts';
import { FlowView, flowView } from './flow-view.ts';
import { landingAdvice } from './land.ts';
import { hopDeps, personStep } from './next-hop.ts';

/** Carries out what a button asks for. Returns the action for the audit log, or undefined if nothing was done. */
type Act = (trx: Transaction, flow: ConnectFlow, form: URLSearchParams) => Promise<string | undefined>;

const Params = z.strictObject({ flow: id('flow') });

/** The flow routes: an API for the platform, and pages for browsers. */
export function flowRoutes(deps: ApiDeps): Endpoint[] {
  const { database, links } = deps;
  const shared = { tag: 'integrations', params: Params, success: { status: 200, body: FlowView } } as const;

  async function pageFlow(ctx: Context): Promise<ConnectFlow | undefined> {
    const flowId = String(ctx['params']?.flow);
    const flow = isId('flow', flowId) ? await allConnectFlows(database.reader).find(flowId) : undefined;
    if (flow && (await isItsBrowser(ctx, { reader: database.reader, publicUrl: links.publicUrl }, flow))) return flow;
    showPage(ctx, {
      status: 403,
      title: 'You cannot continue here',
      body: html`<p>${landingAdvice.state_foreign}</p>`,
    });
    return undefined;
  }

  /** Handles a button on the page of a flow. */
  const press = (act: Act) => async (ctx: Context) => {
    if (!isFromOwnPage(ctx)) throw new Problem('csrf_rejected', 'Open the page again and press its button.');
    const flow = await pageFlow(ctx);
    if (!flow) return;
    const form = new URLSearchParams((await readBytes(ctx.req)).toString('utf8'));
    const { requestId } = ctx.state as FrameState;
    await database.write(async (trx) => {
      const action = await act(trx, flow, form);
      if (!action) return;
      const { orgId, projectId, createdBy: actor } = flow;
      await appendAudit(trx, { orgId, projectId, actor, action, target: flow.id, ip: ctx.ip, requestId });
    });
    await goOn(ctx, hopDeps(deps), flow.id);
  };

  const page = (
    method: 'get' | 'post',
    path: string,
    operationId: string,
    summary: string,
    raw: Endpoint['raw'] & {},
    form = z.strictObject({}),
  ) =>
    endpoint({
      method,
      path: `/connect/{flow}${path}`,
      operationId,
      tag: 'integrations',
      summary,
      description: 'Only for the browser that started the flow. Its cookie identifies it.',
      access: 'public',
      params: Params,
      success: shownPage,
      others: path === '' ? [forbiddenPage] : [onward, forbiddenPage],
      page: true,
      problems: ['csrf_rejected'],
      ...(method === 'post' && { form }),
      raw,
    });

  return [
    endpoint({
      method: 'get',
      path: '/v1/flows',
      operationId: 'listFlows',
      tag: 'integrations',
      summary: 'List connection flows',
      access: 'integrations:read',
      query: PageQuery,
      success: { status: 200, body: z.array(FlowView) },
      async read({ tenant, query }) {
        const { items, next } = await connectFlowsFor(database.reader, tenant).list(pageRequest(query));
        return reply({ body: items.map((flow) => flowView(flow, links)), next });
      },
    }),
    endpoint({
      ...shared,
      method: 'get',
      path: '/v1/flows/{flow}',
      operationId: 'getFlow',
      summary: 'Get a connection flow',
      access: 'integrations:read',
      async read({ tenant, params }) {
        return flowView(await findFlow(database.reader, tenant, params.flow), links);
      },
    }),
    endpoint({
      ...shared,
      method: 'delete',
      path: '/v1/flows/{flow}',
      operationId: 'cancelFlow',
      summary: 'Cancel a connection flow',
      description: 'What already exists on GitHub stays there. A GitHub App that was created shows as an integration.',
      access: 'integrations:write',
      problems: ['not_found', 'invalid_transition'],
      async write({ trx, tenant, params, audit }) {
        const flow = await findFlow(trx, tenant, params.flow);
        if (!(await cancel(trx, flow)))
          throw new Problem('invalid_transition', `The flow has already ended with the status ${flow.status}.`);
        await audit({ orgId: flow.orgId, projectId: flow.projectId, action: 'flow.canceled', target: flow.id });
        return flowView(await findFlow(trx, tenant, flow.id), links);
      },
    }),
    endpoint({
      ...shared,
      method: 'post',
      path: '/v1/flows/{flow}/check',
      operationId: 'checkFlow',
      summary: 'Check for the approval of an owner',
      access: 'integrations:write',
      success: { status: 202, body: FlowView },
      problems: ['not_found'],
      async write({ trx, tenant, params, audit }) {
        const flow = await findFlow(trx, tenant, params.flow);
        await nudgeFlow(trx, flow);
        await audit({ orgId: flow.orgId, projectId: flow.projectId, action: 'flow.checked', target: flow.id });
        return flowView(flow, links);
      },
    }),
    endpoint({
      ...shared,
      method: 'post',
      path: '/v1/flows/{flow}/confirm',
      operationId: 'confirmFlow',
      summary: 'Confirm an approved installation',
      description: 'Only the caller who started the flow can confirm it. An approval alone connects nothing.',
      access: 'integrations:write',
      problems: ['not_found', 'invalid_transition'],
      async write({ trx, tenant, caller, params, audit }) {
        const flow = await findFlow(trx, tenant, params.flow);
        if (flow.createdBy !== caller.id)
          throw new Problem('missing_scope', 'Only the caller who started the flow can confirm it.');
        if (!(await confirm(trx, flow)))
          throw new Problem(
            'invalid_transition',
            'There is nothing to confirm yet. Wait until an owner has approved the installation.',
          );
        await audit({ orgId: flow.orgId, projectId: flow.projectId, action: 'flow.confirmed', target: flow.id });
        return flowView(await findFlow(trx, tenant, flow.id), links);
      },
    }),
    page('get', '', 'getFlowPage', 'Show the page of a flow', async (ctx) => {
      const flow = await pageFlow(ctx);
      if (flow) await showFlow(ctx, database.reader, flow);
    }),
    page('get', '/continue', 'continueFlow', 'Continue on GitHub', async (ctx) => {
      const flow = await pageFlow(ctx);
      if (!flow) return;
      // Prevents another site from using up the states of the flow.
      if (comesFromElsewhere(ctx)) return showFlow(ctx, database.reader, flow);
      await goOn(ctx, hopDeps(deps), flow.id, { pressed: true });
    }),
    page(
      'post',
      '/confirm',
      'pressConfirm',
      'Confirm an approved installation',
      press(async (trx, flow, form) => {
        const shown = Number(form.get('installation'));
        return (await confirm(trx, flow, shown)) ? 'flow.confirmed' : undefined;
      }),
      z.strictObject({ installation: z.string().describe('The installation that the page has shown') }),
    ),
    page(
      'post',
      '/account',
      'pressAccount',
      'Choose the account whose owner was asked',
      press(async (trx, flow, form) =>
        (await chooseAccount(trx, flow, Number(form.get('account')))) ? 'flow.account_chosen' : undefined,
      ),
      z.strictObject({ account: z.string().describe('The number of the account at GitHub') }),
    ),
    page(
      'post',
      '/cancel',
      'pressCancel',
      'Cancel the flow in a browser',
      press(async (trx, flow) => ((await cancel(trx, flow)) ? 'flow.canceled' : undefined)),
    ),
    page(
      'post',
      '/check',
      'pressCheck',
      'Check for approval in a browser',
      press(async (trx, flow) => {
        await nudgeFlow(trx, flow);
        return 'flow.checked';
      }),
    ),
  ];
}

async function findFlow(db: Db, tenant: TenantScope, flowId: string): Promise<ConnectFlow> {
  return required(await connectFlowsFor(db, tenant).find(flowId));
}

/** Confirms the approval. If `shown` is given, it must still be the installation that the person saw on the page. */
async function confirm(trx: Transaction, { id }: ConnectFlow, shown?: number): Promise<boolean> {
  const flow = await allConnectFlows(trx).takeOpen(id);
  if (!flow || personStep(flow) !== 'confirm') return false;
  if (shown !== undefined && shown !== flow.approvedInstallation) return false;
  const noted = await allConnectFlows(trx).note(flow.id, { confirmedAt: Date.now() });
  if (noted) await nudgeFlow(trx, flow);
  return noted;
}

/** Stores which of the offered accounts this flow asked for. From then on, no other approval counts. */
async function chooseAccount(trx: Transaction, { id }: ConnectFlow, accountId: number): Promise<boolean> {
  const flow = await allConnectFlows(trx).takeOpen(id);
  if (!flow || personStep(flow) !== 'choose_account') return false;
  const chosen = flow.accountChoices?.find((account) => account.id === accountId);
  if (!chosen) return false;
  const known = { requestedAccount: chosen.id, requestedLogin: chosen.login, accountChoices: null, detail: null };
  const noted = await allConnectFlows(trx).note(id, known);
  // The approval may have arrived already, so the workflow checks at once.
  if (noted) await nudgeFlow(trx, flow, 'installed');
  return noted;
}

async function cancel(trx: Transaction, { id }: ConnectFlow): Promise<boolean> {
  const flow = await allConnectFlows(trx).takeOpen(id);
  const moved = flow && (await allConnectFlows(trx).move(id, 'canceled', { reason: 'canceled_by_request' }));
  if (!moved) return false;
  // An App that was already created stays. The integration of an operator flow belongs to this flow only, so it
  // expires.
  if (flow.kind === 'operator' && flow.integrationId) {
    await allIntegrations(trx).moveStatus(flow.integrationId, 'expired', 'canceled_by_request');
  }
  await nudgeFlow(trx, flow);
  return true;
}
