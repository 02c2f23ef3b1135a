import { z } from 'zod';
import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import { flowKinds, flowStatuses } from '../../domain/connect/flow-status.ts';
import { connectGithubWorkflowId } from '../../workflows/ids.ts';
import { CreatedBy, creatorOf, epochSeconds, toSeconds } from '../http/input.ts';
import { type OperationLinks, temporalUrl } from '../http/operation-view.ts';
import { personStep, personSteps } from './next-hop.ts';

const Account = z.object({ id: z.int().describe('The number of the account on GitHub'), login: z.string() });

export const FlowView = z
  .object({
    id: z.string(),
    kind: z.enum(flowKinds),
    status: z.enum(flowStatuses),
    reason: z.string().nullable().describe('A stable code that explains why the flow ended'),
    detail: z.string().nullable(),
    person_step: z
      .enum(personSteps)
      .describe(
        'What the person must do next. For `choose_account`, send the browser to `continue_url`. `none` while Fairlead works, and after the flow has ended',
      ),
    org_id: z.string(),
    project_id: z.string().nullable(),
    integration_id: z.string().nullable(),
    installation_id: z.int().nullable().describe('The number of the installation on GitHub'),
    github_login: z.string().nullable().describe('The account that signed in to GitHub'),
    requested_account: Account.nullable().describe('The account whose owner was asked. No other approval counts'),
    account_choices: z
      .array(Account)
      .describe('With `choose_account`: the accounts of which the person names the one that this flow asked for'),
    rebound: z
      .int()
      .nullable()
      .describe(
        'How many apps use the integration again, because they had used one for the same account before. Null until the flow is completed',
      ),
    continue_url: z.string().describe('The page on which the browser continues'),
    redirect_url: z.string().nullable(),
    workflow_id: z.string(),
    temporal_url: z.string().nullable(),
    created_by: CreatedBy,
    created_at: epochSeconds,
    updated_at: epochSeconds,
    expires_at: epochSeconds,
    finished_at: epochSeconds.nullable(),
  })
  .meta({ id: 'Flow' });

export function flowView(flow: ConnectFlow, links: OperationLinks): z.input<typeof FlowView> {
  const workflowId = connectGithubWorkflowId(flow.id);
  return {
    id: flow.id,
    kind: flow.kind,
    status: flow.status,
    reason: flow.reason,
    detail: flow.detail,
    person_step: personStep(flow),
    org_id: flow.orgId,
    project_id: flow.projectId,
    integration_id: flow.integrationId,
    installation_id: flow.approvedInstallation ?? flow.claimedInstallation,
    github_login: flow.githubLogin,
    requested_account:
      flow.requestedAccount === null ? null : { id: flow.requestedAccount, login: flow.requestedLogin ?? '' },
    account_choices: flow.accountChoices ?? [],
    rebound: flow.rebound,
    continue_url: `${links.publicUrl}/connect/${flow.id}`,
    redirect_url: flow.redirectUrl,
    workflow_id: workflowId,
    temporal_url: temporalUrl(links, workflowId),
    created_by: creatorOf(flow.createdBy),
    created_at: toSeconds(flow.createdAt),
    updated_at: toSeconds(flow.updatedAt),
    expires_at: toSeconds(flow.expiresAt),
    finished_at: toSeconds(flow.finishedAt),
  };
}

/** Returns the platform's redirect URL with the result of the flow. The URL was checked when the flow started. */
export function redirectBack({ redirectUrl, id, status, reason, integrationId }: ConnectFlow): string | undefined {
  if (redirectUrl === null) return undefined;
  const url = new URL(redirectUrl);
  url.searchParams.set('flow_id', id);
  url.searchParams.set('status', status);
  if (reason) url.searchParams.set('reason', reason);
  if (integrationId) url.searchParams.set('integration_id', integrationId);
  return url.href;
}
