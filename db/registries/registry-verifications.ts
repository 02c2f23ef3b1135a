import { usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { verifyWorkflowId } from '../../domain/ops/workflow-ids.ts';
import type { RepositoryCheck } from '../../domain/registries/registry-purposes.ts';
import type { RegistrySettings } from '../../domain/registries/registry-settings.ts';
import {
  believed,
  type RegistryFindings,
  type RegistryVerdict,
  troubleOf,
  verdictOn,
} from '../../domain/registries/registry-verdicts.ts';
import { allCloudAccounts } from '../clouds/cloud-accounts.ts';
import { allIntegrations, type Integration } from '../integrations/integrations.ts';
import { appendAudit } from '../ops/audit.ts';
import { allIncidents } from '../ops/incidents.ts';
import { allOperations, type Operation } from '../ops/operations.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Transaction } from '../store/connection.ts';
import { registryChecksIn } from './registry-checks.ts';
import { noteAnswer, noteSilence, refusalsOf } from './registry-outages.ts';

const kind = 'verify';

/** One that was asked for is heard of by then. */
const lostAfterMs = 3_600_000;

type Verified = Pick<Integration, 'id' | 'orgId' | 'projectId'>;

/** Has a registry asked anew, for somebody who waits: what is found decides at once. */
export async function requestVerification(trx: Transaction, integration: Verified): Promise<Operation> {
  const { id, orgId, projectId } = integration;
  await commandsIn(trx).add(verificationCommand(integration));
  // The first one may be lost, too.
  await trx('integrations')
    .where({ id, next_check_at: null })
    .update({ next_check_at: Date.now() + lostAfterMs });
  const wanted = { orgId, projectId, kind, subjectId: id, workflowId: verifyWorkflowId(id) };
  return allOperations(trx).insert(wanted);
}

/** One that is being asked just now is asked once more after that. */
export function verificationCommand({ id, orgId, projectId }: Verified): Command {
  return {
    action: 'signal_with_start',
    workflow: 'verifyIntegration',
    workflowId: verifyWorkflowId(id),
    signal: 'requested',
    input: { integrationId: id },
    attributes: {
      OrgId: orgId,
      ...(projectId !== null && { ProjectId: projectId }),
      IntegrationId: id,
      Kind: 'verifyIntegration',
      Phase: 'probing',
    },
    summary: `Ask the registry of ${id} what its credential may do`,
  };
}

/** All that inherit the access of a cloud account, which is another one now. */
export async function requestVerificationsOf(trx: Transaction, cloudAccountId: string): Promise<void> {
  for (const { id } of await allCloudAccounts(trx).boundTo(cloudAccountId)) {
    const integration = await allIntegrations(trx).find(id);
    if (integration && integration.status !== 'deleting') await requestVerification(trx, integration);
  }
}

/** Whether somebody has asked for it, or only its time has come. `gone`: who waited for what is no more is told so. */
export type VerificationWish = 'asked' | 'due' | 'gone';

export async function beginVerification(trx: Transaction, integrationId: string): Promise<VerificationWish> {
  const operations = allOperations(trx);
  const isAsked = (await operations.takeUp({ kind, subjectId: integrationId })) > 0;
  const integration = await allIntegrations(trx).find(integrationId);
  if (integration && integration.status !== 'deleting') return isAsked ? 'asked' : 'due';
  const gone = { code: 'integration_deleted', detail: 'The integration was deleted.' };
  await operations.finish({ kind, subjectId: integrationId }, gone);
  return 'gone';
}

export type Found = RegistryFindings & {
  /** As they were when it was asked. */
  epoch: number;
  cloudEpoch: number | null;
  repositories: string[];
  /** Where the registry has credentials sent, where it says so. */
  realm: string | undefined;
};

/**
 * Writes down what was found, and ends the operations that waited for it. Nothing where the credential, or what it may
 * be sent to, was changed meanwhile: then it says nothing of the one that is there now. What nobody has asked for takes
 * more than one refusal to believe it: `doubted` says why it is asked again.
 */
export async function recordVerification(
  trx: Transaction,
  integrationId: string,
  found: Found,
  wish: 'asked' | 'due',
): Promise<(RegistryVerdict & { doubted: string | null }) | undefined> {
  const integration = await allIntegrations(trx).take(integrationId);
  if (!integration || integration.status === 'deleting') return undefined;
  if (integration.epoch !== found.epoch || (await cloudEpochOf(trx, integration)) !== found.cloudEpoch)
    return undefined;
  const now = Date.now();
  const { login } = found;
  const before = { status: integration.status, reason: integration.statusReason };
  const { verdict, refusals } = believed(before, verdictOn(before, found), {
    isIn: login.ok,
    refusals: wish === 'asked' ? undefined : await refusalsOf(trx, integrationId),
  });
  await trx('integrations')
    .where({ id: integrationId })
    .update({
      status: verdict.status,
      status_reason: verdict.reason,
      settings: JSON.stringify(withRealm(integration, found)),
      checked_at: now,
      ...(login.ok && { last_success_at: now }),
      updated_at: now,
    });
  const known = await registryChecksIn(trx).of(integrationId);
  const news = found.checks.filter((check) => !isSilence(check) || !known.some((one) => isSame(one, check)));
  await registryChecksIn(trx).put(integrationId, found.repositories, news, now);
  await noteAnswer(trx, integration, refusals);
  await noteChange(trx, integration, verdict);
  const failure = login.ok || verdict.status === 'degraded' ? undefined : { code: login.code, detail: login.message };
  await allOperations(trx).finish({ kind, subjectId: integrationId }, failure);
  return { ...verdict, doubted: refusals > 0 && !login.ok ? login.code : null };
}

/** Nobody answered, for as long as somebody would wait: what is known stays as it is, and is asked again. */
export async function giveUpVerification(
  trx: Transaction,
  integrationId: string,
  failure: { code: string; detail: string },
): Promise<void> {
  const integration = await allIntegrations(trx).take(integrationId);
  if (integration) await noteSilence(trx, integration, failure.code);
  // One that never worked tells what has kept it from it.
  await trx('integrations').where({ id: integrationId, status: 'pending' }).update({ status_reason: failure.code });
  await allOperations(trx).finish({ kind, subjectId: integrationId }, failure);
}

/**
 * The host that the credential went to when it was first proven is the one from then on; another one that the registry
 * names waits for its owner's consent.
 */
function withRealm({ kind: of, settings }: Integration, { login, realm }: Found): RegistrySettings {
  const { asked_realm: asked, ...kept } = settings as RegistrySettings;
  if (login.ok) return of === 'oci' && realm !== undefined ? { ...kept, realm } : kept;
  const isForeign = login.code === 'realm_not_trusted' && realm !== undefined;
  if (isForeign) return { ...kept, asked_realm: realm };
  return asked === undefined ? kept : { ...kept, asked_realm: asked };
}

function isSilence({ outcome, code = '' }: RepositoryCheck): boolean {
  return outcome === 'unproven' && ['outage', 'ours'].includes(troubleOf(code));
}

function isSame(one: { repository: string; action: string }, other: { repository: string; action: string }): boolean {
  return one.repository === other.repository && one.action === other.action;
}

/** Told once, and to a person only where something that worked does no more. */
async function noteChange(
  trx: Transaction,
  { id, orgId, projectId, status, statusReason, lastSuccessAt, displayName }: Integration,
  verdict: RegistryVerdict,
): Promise<void> {
  const incidents = allIncidents(trx);
  if (usableIntegrationStatuses.includes(verdict.status)) {
    await incidents.resolveAbout(id, 'registry_refused');
  }
  if (verdict.status === status && verdict.reason === statusReason) return;
  if (verdict.status === 'reauth_required' && lastSuccessAt !== null) {
    const title = `${displayName}: the registry does not accept what is stored for it (${verdict.reason})`;
    await incidents.raise({ orgId, projectId, code: 'registry_refused', subjectId: id, title });
  }
  const detail = { status: verdict.status, reason: verdict.reason };
  await appendAudit(trx, { orgId, projectId, actor: 'system', action: 'integration.verified', target: id, detail });
}

async function cloudEpochOf(trx: Transaction, { cloudAccountId }: Integration): Promise<number | null> {
  if (cloudAccountId === null) return null;
  return (await allCloudAccounts(trx).find(cloudAccountId))?.epoch ?? null;
}
