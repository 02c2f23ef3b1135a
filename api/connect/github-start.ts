import { z } from 'zod';
import { connectFlowsFor } from '../../db/connect/connect-flows.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, type WriteRequest } from '../http/endpoint.ts';
import { epochSeconds, id, toSeconds } from '../http/input.ts';
import { ownerOf } from '../people/owner.ts';
import { FlowView, flowView } from './flow-view.ts';
import { hostToBe, requireSupportedHost } from './github-host.ts';
import { findArrival, land, refusedLanding } from './land.ts';
import { NewFlow } from './new-flow.ts';
import { startReauthorization } from './reauthorize.ts';
import { startFlow } from './start-flow.ts';

const Started = z
  .object({
    flow_id: z.string(),
    create_url: z.url().optional().describe('Open it in the browser of the person to create a GitHub App'),
    install_url: z.url().optional().describe('Open it in the browser of the person, once, within ten minutes'),
    expires_at: epochSeconds,
  })
  .meta({ id: 'StartedFlow' });

const Reauthorizing = z
  .object({
    flow_id: z.string(),
    url: z.url().describe('Open it in the browser of the person, once, within ten minutes'),
    expires_at: epochSeconds,
  })
  .meta({ id: 'StartedReauthorization' });

const NewAdoption = NewFlow.pick({ redirect_url: true })
  .extend({ installation_id: z.int().positive() })
  .meta({
    id: 'NewAdoption',
    examples: [{ installation_id: 12345678, redirect_url: 'https://console.example.com/connected' }],
  });
const NewReauthorization = NewFlow.pick({ redirect_url: true }).meta({
  id: 'NewReauthorization',
  examples: [{ redirect_url: 'https://console.example.com/connected' }],
});

export const GithubAnswerBody = z
  .strictObject({
    state: z.string().min(1).max(200),
    code: z.string().min(1).max(300).optional(),
    installation_id: z
      .union([z.int().positive(), z.string().regex(/^[1-9]\d{0,14}$/, 'must be a number')])
      .optional()
      .describe('As a number, or as the text from the address'),
    setup_action: z.enum(['install', 'update', 'request']).optional(),
  })
  .meta({
    id: 'NewFlowAnswer',
    examples: [
      {
        state: '<the state from the address>',
        code: '<the code from the address>',
        installation_id: 12345678,
        setup_action: 'install',
      },
    ],
  });

/** The routes that start connecting a GitHub account, and that take GitHub's response from a platform's own page. */
export function githubStartRoutes(deps: ApiDeps): Endpoint[] {
  const { database, keyring, connector, connect, links } = deps;

  async function start({ trx, tenant, caller, audit }: WriteRequest, body: z.output<typeof NewFlow>) {
    const { publicUrl } = links;
    const { flow, url } = await startFlow(trx, { connect, publicUrl }, { tenant, caller }, body);
    const { orgId, projectId, kind } = flow;
    await audit({ orgId, projectId, action: 'flow.started', target: flow.id, detail: { kind } });
    const where = kind === 'manifest' ? { create_url: url } : { install_url: url };
    return { flow_id: flow.id, ...where, expires_at: toSeconds(flow.expiresAt) };
  }

  return [
    endpoint({
      method: 'post',
      path: '/v1/integrations/github/start',
      operationId: 'startGithubFlow',
      tag: 'integrations',
      summary: 'Start connecting a GitHub account',
      description:
        'Returns an address for the browser of the person. Only the first browser in which a person presses "Continue" can continue the flow.',
      access: 'integrations:write',
      body: NewFlow,
      secret: ['create_url', 'install_url'],
      success: { status: 200, body: Started },
      problems: [
        'not_found',
        'host_not_allowed',
        'host_not_supported',
        'provider_not_supported',
        'github_app_missing',
        'github_app_incomplete',
        'too_many_requests',
        'provider_unavailable',
      ],
      async prepare({ tenant, caller, body }) {
        const host = await hostToBe(database.reader, connect, body);
        if (!host) return;
        const { orgId } = await ownerOf(database.reader, { tenant, caller }, body);
        await requireSupportedHost(connector, host, orgId);
      },
      write: (request) => start(request, request.body),
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations/{integration}/adopt',
      operationId: 'adoptInstallation',
      tag: 'integrations',
      summary: 'Connect an existing installation',
      description:
        'For an installation of the integration’s own GitHub App. The person signs in to GitHub to prove that they administer the account. Nothing is installed.',
      access: 'integrations:write',
      params: z.strictObject({ integration: id('int') }),
      body: NewAdoption,
      secret: ['create_url', 'install_url'],
      success: { status: 200, body: Started },
      problems: ['not_found', 'provider_not_supported', 'github_app_incomplete'],
      write: (request) =>
        start(request, NewFlow.parse({ app: 'own', integration_id: request.params.integration, ...request.body })),
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations/{integration}/reauthorize',
      operationId: 'reauthorizeIntegration',
      tag: 'integrations',
      summary: 'Reauthorize an integration',
      description:
        'Use it when the GitHub App was uninstalled or GitHub rejects its credentials. An administrator of the account signs in and installs the GitHub App again if it is gone. The integration keeps its id, apps and history.',
      access: 'integrations:write',
      params: z.strictObject({ integration: id('int') }),
      body: NewReauthorization,
      secret: ['url'],
      success: { status: 200, body: Reauthorizing },
      problems: ['not_found', 'provider_not_supported', 'github_app_incomplete', 'too_many_requests'],
      async write({ trx, tenant, caller, params, body, audit }) {
        const deps = { connect, publicUrl: links.publicUrl };
        const wanted = { integrationId: params.integration, redirectUrl: body.redirect_url };
        const { flow, url } = await startReauthorization(trx, deps, { tenant, caller }, wanted);
        const { orgId, projectId, id: flowId } = flow;
        await audit({
          orgId,
          projectId,
          action: 'integration.reauthorization_started',
          target: params.integration,
          detail: { flow: flowId },
        });
        return { flow_id: flowId, url, expires_at: toSeconds(flow.expiresAt) };
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations/github/complete',
      operationId: 'completeGithubFlow',
      tag: 'integrations',
      summary: 'Complete a GitHub flow',
      description:
        'For platforms with their own callback page. It does the same as the callback of Fairlead, for the caller who started the flow. The second of the two changes nothing.',
      access: 'integrations:write',
      body: GithubAnswerBody,
      success: { status: 200, body: FlowView },
      problems: ['not_found', 'flow_state_refused'],
      async write({ trx, tenant, caller, body, audit }) {
        const { state, code, installation_id: number, setup_action: setupAction } = body;
        const installationId = number === undefined ? undefined : Number(number);
        const answer = { state, code, installationId, setupAction };
        const arrival = await findArrival(trx, answer);
        if (typeof arrival === 'string') throw refusedLanding(arrival);
        const flows = connectFlowsFor(trx, tenant);
        const mine = await flows.find(arrival.flow.id);
        // For another caller's state, the error is the same as for an unknown state.
        if (!mine || mine.createdBy !== caller.id) throw refusedLanding('state_unknown');
        const refused = await land(trx, keyring, arrival, answer);
        if (refused) throw refusedLanding(refused);
        await audit({ orgId: mine.orgId, projectId: mine.projectId, action: 'flow.landed', target: mine.id });
        return flowView((await flows.find(mine.id)) ?? mine, links);
      },
    }),
  ];
}
