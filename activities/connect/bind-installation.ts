import { appsIn } from '../../db/apps.ts';
import { appendAudit } from '../../db/audit.ts';
import type { Transaction } from '../../db/connection.ts';
import { type ConnectFlow, connectFlowsIn } from '../../db/flows/connect-flows.ts';
import { followInstallations } from '../../db/follow-installations.ts';
import { type Installation, installationsIn, requestSync } from '../../db/installations.ts';
import { integrationsIn } from '../../db/integrations.ts';
import { everything } from '../../db/tenant.ts';
import { seenInstallation } from '../seen-installation.ts';
import type { ConnectDeps } from './deps.ts';
import { closeFlow } from './end-flow.ts';
import { installationFor, type Proof, proofOf, subjectOf } from './prove-ownership.ts';

type Found = NonNullable<Awaited<ReturnType<typeof installationFor>>>;

/** Gives a proven installation to the flow's owner: one transaction, in which the proof is looked at once more. */
export function bindInstallation(deps: ConnectDeps) {
  const { database } = deps;

  async function bind(trx: Transaction, flowId: string, found: Found): Promise<void> {
    const flow = await connectFlowsIn(trx, everything).takeOpen(flowId);
    // The person may have named another installation since, or the proof was for that other one.
    if (!flow || subjectOf(flow) !== found.id) return;
    const proof = await proofOf(trx, flow, found);
    if (!proof) return;

    const installations = installationsIn(trx, everything);
    const before = await installations.findByExternalId(flow.githubAppId, found.id);
    // Looked at first: a refused flow leaves nothing behind.
    if (before?.orgId != null && before.orgId !== flow.orgId) return refuse(trx, flow);
    if (await isCutOff(trx, flow)) {
      await closeFlow(trx, flow, { status: 'canceled', reason: 'integration_deleted' });
      return;
    }
    const installation = await installations.upsert(flow.githubAppId, seenInstallation(found));
    if (!(await installations.claim(installation.id, flow.orgId))) return refuse(trx, flow);
    await connect(trx, flow, installation, proof);
    await followInstallations(trx, flow.githubAppId);
    await requestSync(trx, flow.githubAppId);
  }

  /** Does nothing where the flow has moved on: how it stands then is for the next step to see. */
  return async ({ flowId }: { flowId: string }): Promise<void> => {
    const flow = await connectFlowsIn(database.reader, everything).find(flowId);
    const externalId = flow && subjectOf(flow);
    if (!flow || externalId == null) return;
    const found = await installationFor(deps, flow, externalId);
    if (found) await database.write((trx) => bind(trx, flowId, found));
  };
}

async function refuse(trx: Transaction, flow: ConnectFlow): Promise<void> {
  await closeFlow(trx, flow, { status: 'rejected', reason: 'installation_claimed' });
}

/** The flow's integration was deleted while the person was at GitHub. */
async function isCutOff(trx: Transaction, { integrationId }: ConnectFlow): Promise<boolean> {
  if (integrationId === null) return false;
  const integration = await integrationsIn(trx, everything).find(integrationId);
  return !integration || integration.status === 'deleting' || integration.status === 'expired';
}

async function connect(trx: Transaction, flow: ConnectFlow, installation: Installation, proof: Proof): Promise<void> {
  const { id: flowId, orgId, projectId, createdBy: actor } = flow;
  const ownerId = projectId ?? orgId;
  const flows = connectFlowsIn(trx, everything);
  const installations = installationsIn(trx, everything);
  const integrations = integrationsIn(trx, everything);

  const already = await installations.boundTo(ownerId, installation.id);
  if (already !== undefined) {
    if (flow.kind === 'operator' && flow.integrationId !== null) {
      await integrations.moveStatus(flow.integrationId, 'expired', 'already_connected');
    }
    await flows.move(flowId, 'completed', { integrationId: already, reason: 'already_connected' });
    return;
  }
  const integrationId = await integrationFor(trx, flow, installation);
  await installations.bind(integrationId, installation.id, ownerId);
  const rebound = await appsIn(trx, everything).rebind({ id: integrationId, orgId, projectId }, installation.id);
  await flows.move(flowId, 'completed', { integrationId });
  await appendAudit(trx, {
    orgId,
    projectId,
    actor,
    action: 'integration.connected',
    target: integrationId,
    detail: { flow: flowId, installation: installation.id, proof, github_user_id: flow.githubUserId, rebound },
  });
}

/** An App of one's own is one integration for all its accounts; on the operator's App each account is one. */
async function integrationFor(trx: Transaction, flow: ConnectFlow, installation: Installation): Promise<string> {
  const integrations = integrationsIn(trx, everything);
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
  if (flow.kind === 'operator') await integrations.setIdentity(integrationId, identity);
  const integration = await integrations.find(integrationId);
  // What is wrong with an App that was in use is not cured by one more account.
  if (integration?.status === 'registered' || integration?.status === 'awaiting_approval') {
    await integrations.moveStatus(integrationId, 'active');
  }
  return integrationId;
}
