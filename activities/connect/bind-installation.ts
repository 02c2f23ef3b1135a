import { allApps } from '../../db/builds/apps.ts';
import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import { followInstallations } from '../../db/github/follow-installations.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations, type Installation, requestSync } from '../../db/github/installations.ts';
import { requestRefresh } from '../../db/github/refresh-installation.ts';
import { allIntegrations } from '../../db/integrations/integrations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import { holdOwner } from '../../db/people/projects.ts';
import type { Transaction } from '../../db/store/connection.ts';
import type { IntegrationStatus } from '../../domain/integrations/integration-status.ts';
import { seenInstallation } from '../github/installations.ts';
import { noteAppAccepted } from '../github/sync-report.ts';
import type { ConnectDeps } from './flow-steps.ts';
import { closeFlow } from './flow-steps.ts';
import { installationFor, type Proof, proofOf, subjectOf } from './prove-ownership.ts';

type Found = NonNullable<Awaited<ReturnType<typeof installationFor>>>;

/** Gives a proven installation to the flow's owner: one transaction, in which the proof is looked at once more. */
export function bindInstallation(deps: ConnectDeps) {
  const { database } = deps;

  async function bind(trx: Transaction, read: ConnectFlow, found: Found): Promise<void> {
    const isOwned = await holdOwner(trx, read);
    const flow = await allConnectFlows(trx).takeOpen(read.id);
    // The person may have named another installation since, or the proof was for that other one.
    if (!flow || subjectOf(flow) !== found.id) return;
    const proof = await proofOf(trx, flow, found);
    if (!proof) return;

    const installations = allInstallations(trx);
    const before = await installations.findByExternalId(flow.githubAppId, found.id);
    // Looked at first: a refused flow leaves nothing behind.
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
    if (!(await installations.claim(installation.id, flow.orgId))) return refuse(trx, flow);
    await connect(trx, flow, installation, proof);
    // It was found as the App.
    const app = await githubAppsIn(trx).find(flow.githubAppId);
    if (app) await noteAppAccepted(trx, app, true);
    await followInstallations(trx, flow.githubAppId);
    await requestSync(trx, flow.githubAppId);
  }

  /** Does nothing where the flow has moved on: how it stands then is for the next step to see. */
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

/** The flow's integration was deleted while the person was at GitHub. */
async function isCutOff(trx: Transaction, { integrationId }: ConnectFlow): Promise<boolean> {
  if (integrationId === null) return false;
  const integration = await allIntegrations(trx).find(integrationId);
  return !integration || integration.status === 'deleting' || integration.status === 'expired';
}

/** On the operator's App an integration is one account's; and none gets another when it is authorized anew. */
async function isOfAnotherAccount(trx: Transaction, flow: ConnectFlow, { account }: Found): Promise<boolean> {
  const mayBeAnother = flow.kind !== 'operator' && !flow.reauthorizes;
  if (mayBeAnother || flow.integrationId === null) return false;
  const bound = trx('bindings').where({ integration_id: flow.integrationId }).select('installation_id');
  const accounts = await trx('installations').whereIn('id', bound).select('account_id');
  return accounts.length > 0 && !accounts.some(({ account_id: id }) => id === account.id);
}

/** What a proven sign-in cures: the App's key and the person's were both taken just now. */
const cured: readonly IntegrationStatus[] = [
  'registered',
  'awaiting_approval',
  'reauth_required',
  'disconnected',
  'suspended',
];

/** Usable, as far as its installations are: what is wrong with those is seen right after. */
async function revive(trx: Transaction, integrationId: string): Promise<void> {
  const integrations = allIntegrations(trx);
  const integration = await integrations.find(integrationId);
  if (integration && cured.includes(integration.status)) await integrations.moveStatus(integrationId, 'active');
}

async function connect(trx: Transaction, flow: ConnectFlow, installation: Installation, proof: Proof): Promise<void> {
  const { id: flowId, orgId, projectId, createdBy: actor } = flow;
  const ownerId = projectId ?? orgId;
  const flows = allConnectFlows(trx);
  const installations = allInstallations(trx);
  const integrations = allIntegrations(trx);

  const already = await installations.boundTo(ownerId, installation.id);
  if (already !== undefined) {
    if (flow.kind === 'operator' && flow.integrationId !== null) {
      await integrations.moveStatus(flow.integrationId, 'expired', 'already_connected');
    }
    await flows.move(flowId, 'completed', { integrationId: already, reason: 'already_connected' });
    if (already === flow.integrationId) await revive(trx, already);
    return;
  }
  const integrationId = await integrationFor(trx, flow, installation);
  await installations.bind(integrationId, installation.id, ownerId);
  const rebound = await allApps(trx).rebind({ id: integrationId, orgId, projectId }, installation.id);
  await flows.move(flowId, 'completed', { integrationId });
  await requestRefresh(trx, flowId, {
    githubAppId: flow.githubAppId,
    installation: installation.externalId,
    repositories: await sourcesOf(trx, integrationId),
  });
  await appendAudit(trx, {
    orgId,
    projectId,
    actor,
    action: 'integration.connected',
    target: integrationId,
    detail: { flow: flowId, installation: installation.id, proof, github_user_id: flow.githubUserId, rebound },
  });
}

/** GitHub's numbers of what its apps are built from: their way may lead through another installation now. */
async function sourcesOf(trx: Transaction, integrationId: string): Promise<number[]> {
  const apps = trx('apps').where({ source_integration_id: integrationId, deleted_at: null });
  const rows = await trx('repositories').whereIn('id', apps.select('source_repository_id')).select('external_id');
  return rows.map(({ external_id: id }) => id);
}

/** An App of one's own is one integration for all its accounts; on the operator's App each account is one. */
async function integrationFor(trx: Transaction, flow: ConnectFlow, installation: Installation): Promise<string> {
  const integrations = allIntegrations(trx);
  const { integrationId, displayName } = flow;
  const identity = {
    identityKey: `installation:${installation.id}`,
    metadata: { installation_id: installation.externalId },
    displayName: displayName ?? `GitHub: ${installation.accountLogin}`,
  };
  if (integrationId === null) {
    const made = await integrations.insert({
      orgId: flow.orgId,
      projectId: flow.projectId,
      kind: 'github',
      hostUrl: flow.hostUrl,
      authMode: 'github_app',
      status: 'active',
      githubAppId: flow.githubAppId,
      createdBy: flow.createdBy,
      ...identity,
    });
    if (!made) throw new Error('There is an integration for this installation that is not bound to it');
    return made.id;
  }
  if (flow.kind === 'operator') {
    const before = await integrations.find(integrationId);
    const isNew = before?.status === 'registered' || before?.status === 'awaiting_approval';
    await integrations.setIdentity(integrationId, {
      ...identity,
      ...(before && !isNew && { displayName: before.displayName }),
    });
  }
  await revive(trx, integrationId);
  return integrationId;
}
