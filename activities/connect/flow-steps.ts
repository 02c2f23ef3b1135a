import type { GitHubConnector } from '../../broker/connect/github-connect.ts';
import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import { allIntegrations } from '../../db/integrations/integrations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { type FlowStatus, type FlowStep, nextStep } from '../../domain/connect/flow-status.ts';
import { githubHost } from '../../domain/github/github-host.ts';

/** The state of a flow: the next step, and how much time the person has left. */
export type FlowStand = {
  step: FlowStep;
  status: FlowStatus;
  expiresInMs: number;
  /** Why the flow has ended. */
  reason?: string;
};

/** The steps of a flow that use only the database. */
export function flowSteps({ database }: Pick<ConnectDeps, 'database'>) {
  return {
    /** A flow that does not exist counts as ended. */
    async readFlow({ flowId }: { flowId: string }): Promise<FlowStand> {
      const flow = await allConnectFlows(database.reader).find(flowId);
      if (!flow) return { step: 'over', status: 'failed', expiresInMs: 0 };
      const step = nextStep({ ...flow, hasSignInCode: flow.sealedSignInCode !== null });
      const stand = { step, status: flow.status, expiresInMs: Math.max(0, flow.expiresAt - Date.now()) };
      return step === 'over' && flow.reason !== null ? { ...stand, reason: flow.reason } : stand;
    },

    /** Ends a flow. A flow whose time was extended does not expire, and an ended flow keeps its end. */
    async endFlow({ flowId, ...end }: { flowId: string } & FlowEnd): Promise<void> {
      await database.write(async (trx) => {
        const flow = await allConnectFlows(trx).takeOpen(flowId);
        if (!flow || (end.status === 'expired' && flow.expiresAt > Date.now())) return;
        await closeFlow(trx, flow, end);
      });
    },
  };
}

export type ConnectDeps = {
  database: Database;
  keyring: Keyring;
  connector: Pick<
    GitHubConnector,
    'convertManifest' | 'identify' | 'installation' | 'installationRequests' | 'findInstallation'
  >;
};

type FlowEnd = {
  status: 'rejected' | 'expired' | 'canceled' | 'failed';
  /** A stable code. */
  reason: string;
  /** Details that the reason's own text does not contain. */
  detail?: string;
};

/**
 * Ends a flow that this transaction has locked. An integration that exists only for this flow ends with it. An App that
 * was created stays.
 */
export async function closeFlow(
  trx: Transaction,
  flow: ConnectFlow,
  { status, reason, detail }: FlowEnd,
): Promise<boolean> {
  const said = detail ?? adviceOn(flow, reason);
  if (!(await allConnectFlows(trx).move(flow.id, status, { reason, detail: said }))) return false;
  if (flow.kind === 'operator' && flow.integrationId) {
    await allIntegrations(trx).moveStatus(flow.integrationId, 'expired', reason);
  }
  await appendAudit(trx, {
    orgId: flow.orgId,
    projectId: flow.projectId,
    actor: 'system',
    action: `flow.${status}`,
    target: flow.id,
    outcome: status === 'rejected' ? 'refused' : 'failed',
    detail: { reason, initiator: flow.createdBy, github_user_id: flow.githubUserId },
  });
  return true;
}

/** Returns what to do if the reason alone does not say it. */
function adviceOn(flow: ConnectFlow, reason: string): string | null {
  if (reason === 'conversion_answer_lost') {
    return `Delete the App ${flow.appName} at ${appsPage(flow)} and start again; or generate a private key and a client secret for it there, set a new webhook secret, and send them with the App ID to POST /v1/integrations/github/import.`;
  }
  if (reason === 'ownership_not_proven') {
    const who = flow.githubLogin ? `@${flow.githubLogin}` : 'the person who signed in';
    const installation = flow.claimedInstallation ?? flow.approvedInstallation;
    return `GitHub did not confirm that ${who} administers the account of installation ${installation}. An owner of that account must sign in here, or install the App after a new start.`;
  }
  if (reason === 'request_denied_or_withdrawn' && flow.requestedLogin !== null) {
    return `You asked an owner of @${flow.requestedLogin}. Talk to them, then start again.`;
  }
  return null;
}

/** Returns the address of the list of Apps, because the App can have another name at GitHub. */
function appsPage({ hostUrl, apiUrl, accountLogin }: ConnectFlow): string {
  const { web } = githubHost(hostUrl, apiUrl);
  return accountLogin === null
    ? `${web}/settings/apps`
    : `${web}/organizations/${encodeURIComponent(accountLogin)}/settings/apps`;
}
