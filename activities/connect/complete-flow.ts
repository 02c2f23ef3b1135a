import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import {
  bindInstallation,
  listBoundAccounts,
  listSourceRepositories,
  reviveIntegration,
} from '../../db/github/bind-installation.ts';
import { followInstallations } from '../../db/github/follow-installations.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations, type Installation, requestSync } from '../../db/github/installations.ts';
import { requestRefresh } from '../../db/github/refresh-installation.ts';
import { allIntegrations } from '../../db/integrations/integrations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import { holdOwner } from '../../db/people/projects.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { seenInstallation } from '../github/installations.ts';
import { noteAppAccepted } from '../github/sync-report.ts';
import { type ConnectDeps, closeFlow } from './flow-steps.ts';
import { installationFor, type Proof, proofOf, subjectOf } from './prove-ownership.ts';
import { isAnotherThanRequested } from './requested-account.ts';

type Found = NonNullable<Awaited<ReturnType<typeof installationFor>>>;

/** Gives a proven installation to the flow's owner, in one transaction that checks the proof again. */
export function completeFlow(deps: ConnectDeps) {
  const { database } = deps;

  async function bind(trx: Transaction, read: ConnectFlow, found: Found): Promise<void> {
    const isOwned = await holdOwner(trx, read);
    const flow = await allConnectFlows(trx).takeOpen(read.id);
    // The person may have named another installation since, or the proof was for that other one.
    if (!flow || subjectOf(flow) !== found.id) return;
    if (isAnotherThanRequested(flow, found.account)) {
      await closeFlow(trx, flow, { status: 'rejected', reason: 'account_mismatch' });
      return;
    }
    const proof = await proofOf(trx, flow, found);
    if (!proof) return;

    const installations = allInstallations(trx);
    const before = await installations.findByExternalId(flow.githubAppId, found.id);
    // Checked before any write, so that a refused flow leaves nothing behind.
    if (before?.orgId != null && before.orgId !== flow.orgId) return refuse(trx, flow);
    if (!isOwned || (await isCutOff(trx, flow))) {
      await closeFlow(trx, flow, { status: 'canceled', reason: 'integration_deleted' });
      return;
    }
    if (await isOfAnotherAccount(trx, flow, found)) {
      await closeFlow(trx, flow, { status: 'rejected', reason: 'account_mismatch' });
      return;
    }
    const installation = await installations.upsert(flow.githubAppId, seenInstallation(found));
    if (!(await connect(trx, flow, installation, proof))) return refuse(trx, flow);
    // Fairlead has read the installation as the App, so GitHub accepts the App.
    const app = await githubAppsIn(trx).find(flow.githubAppId);
    if (app) await noteAppAccepted(trx, app, true);
    await followInstallations(trx, flow.githubAppId);
    await requestSync(trx, flow.githubAppId);
  }

  /** Does nothing if the flow has moved on; the workflow's next step reads its status again. */
  return async ({ flowId }: { flowId: string }): Promise<void> => {
    const flow = await allConnectFlows(database.reader).find(flowId);
    const externalId = flow && subjectOf(flow);
    if (!flow || externalId == null) return;
    const found = await installationFor(deps, flow, externalId);
    if (found) await database.write((trx) => bind(trx, flow, found));
  };
}

async function refuse(trx: Transaction, flow: ConnectFlow): Promise<void> {
  await closeFlow(trx, flow, { status: 'rejected', reason: 'installation_claimed' });
}

/** Whether the flow's integration was deleted while the person was at GitHub. */
async function isCutOff(trx: Transaction, { integrationId }: ConnectFlow): Promise<boolean> {
  if (integrationId === null) return false;
  const integration = await allIntegrations(trx).find(integrationId);
  return !integration || integration.status === 'deleting' || integration.status === 'expired';
}

/**
 * Whether the integration is bound to another account already. An integration on the operator's App has one account,
 * and authorizing an integration again must not change its account.
 */
async function isOfAnotherAccount(trx: Transaction, flow: ConnectFlow, { account }: Found): Promise<boolean> {
  const mayBeAnother = flow.kind !== 'operator' && !flow.reauthorizes;
  if (mayBeAnother || flow.integrationId === null) return false;
  const accounts = await listBoundAccounts(trx, flow.integrationId);
  return accounts.length > 0 && !accounts.includes(account.id);
}

/** Binds the installation and completes the flow; returns false if another organization has the installation. */
async function connect(
  trx: Transaction,
  flow: ConnectFlow,
  installation: Installation,
  proof: Proof,
): Promise<boolean> {
  const { id: flowId, orgId, projectId, createdBy } = flow;
  const bound = await bindInstallation(trx, {
    orgId,
    projectId,
    installation,
    hostUrl: flow.hostUrl,
    displayName: flow.displayName,
    createdBy,
    status: 'active',
    joins:
      flow.integrationId === null
        ? null
        : { integrationId: flow.integrationId, isOperatorApp: flow.kind === 'operator' },
  });
  if (bound.outcome === 'claimed_by_other_org') return false;
  if (bound.outcome === 'identity_taken') {
    throw new Error('There is an integration for this installation that is not bound to it');
  }
  const { integrationId } = bound;
  if (bound.outcome === 'already_bound') {
    await endAsConnected(trx, flow, integrationId);
    return true;
  }
  await allConnectFlows(trx).move(flowId, 'completed', { integrationId, rebound: bound.rebound });
  await requestRefresh(trx, flowId, {
    githubAppId: flow.githubAppId,
    installation: installation.externalId,
    // Apps may reach these repositories through another installation now.
    repositories: await listSourceRepositories(trx, integrationId),
  });
  await appendAudit(trx, {
    orgId,
    projectId,
    actor: createdBy,
    action: 'integration.connected',
    target: integrationId,
    detail: {
      flow: flowId,
      installation: installation.id,
      proof,
      github_user_id: flow.githubUserId,
      rebound: bound.rebound,
    },
  });
  return true;
}

/** Completes a flow whose owner reaches the installation through the integration `already`. */
async function endAsConnected(trx: Transaction, flow: ConnectFlow, already: string): Promise<void> {
  if (flow.kind === 'operator' && flow.integrationId !== null) {
    await allIntegrations(trx).moveStatus(flow.integrationId, 'expired', 'already_connected');
  }
  await allConnectFlows(trx).move(flow.id, 'completed', {
    integrationId: already,
    reason: 'already_connected',
    rebound: 0,
  });
  if (already === flow.integrationId) await reviveIntegration(trx, already);
}
