import { usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { addSentence } from '../../domain/ops/sentences.ts';
import { verifyWorkflowId } from '../../domain/ops/workflow-ids.ts';
import type { RegistryPurpose, RepositoryCheck } from '../../domain/registries/registry-purposes.ts';
import type { RegistrySettings } from '../../domain/registries/registry-settings.ts';
import {
  believed,
  isProven,
  type RegistryFindings,
  type RegistryVerdict,
  troubleOf,
  verdictOn,
} from '../../domain/registries/registry-verdicts.ts';
import { requestCloudCheck } from '../clouds/cloud-account-checks.ts';
import { allCloudAccounts } from '../clouds/cloud-accounts.ts';
import { hostOf } from '../integrations/integration-name.ts';
import { allIntegrations, type Integration } from '../integrations/integrations.ts';
import { appendAudit } from '../ops/audit.ts';
import { allIncidents } from '../ops/incidents.ts';
import { allOperations, type Operation } from '../ops/operations.ts';
import { requestedWithinMs } from '../ops/requested-work.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Transaction } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import { registryChecksIn } from './registry-checks.ts';
import { loginStatus, promoteLogin, registryLogins } from './registry-logins.ts';
import { noteAnswer, noteSilence, refusalsOf } from './registry-outages.ts';

const kind = 'verify';

/** A requested check reports by then. */
const lostAfterMs = 3_600_000;

type Verified = Pick<Integration, 'id' | 'orgId' | 'projectId' | 'hostUrl'>;

/** Requests a check for a person who waits. Its result decides at once. */
export async function requestVerification(trx: Transaction, integration: Verified): Promise<Operation> {
  const { id, orgId, projectId } = integration;
  await commandsIn(trx).add(verificationCommand(integration));
  // The first check may be lost, too.
  await trx('integrations')
    .where({ id, next_check_at: null })
    .update({ next_check_at: Date.now() + lostAfterMs });
  const wanted = { orgId, projectId, kind, subjectId: id, workflowId: verifyWorkflowId(id) };
  return allOperations(trx).insert(wanted);
}

/** Returns a command to check the registry. If a check is running, another one follows it. */
export function verificationCommand({ id, orgId, projectId, hostUrl }: Verified): Command {
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
    summary: `Ask the registry ${hostOf(hostUrl)} what the credential of ${id} may do`,
  };
}

/** Requests a check of all registries that inherit the access of a cloud account, after that access was replaced. */
export async function requestVerificationsOf(trx: Transaction, cloudAccountId: string): Promise<void> {
  for (const { id } of await allCloudAccounts(trx).boundTo(cloudAccountId)) {
    const integration = await allIntegrations(trx).find(id);
    if (integration && integration.status !== 'deleting') await requestVerification(trx, integration);
  }
}

/**
 * Why the check runs: a person has requested it, or it is due. `gone` means that there is nothing to check. If the
 * integration no longer exists, this has failed the waiting operations.
 */
export type VerificationWish = 'asked' | 'due' | 'gone';

export async function beginVerification(trx: Transaction, integrationId: string): Promise<VerificationWish> {
  const operations = allOperations(trx);
  const isAsked = (await operations.takeUp({ kind, subjectId: integrationId })) > 0;
  const integration = await allIntegrations(trx).find(integrationId);
  const isThere = integration && integration.status !== 'deleting';
  if (isThere && isAsked) return 'asked';
  if (isThere) return (await isDue(trx, integration)) ? 'due' : 'gone';
  const gone = { code: 'integration_deleted', detail: 'The integration was deleted.' };
  await operations.finish({ kind, subjectId: integrationId }, gone);
  return 'gone';
}

/**
 * Returns whether a check was requested since the last one, because it was due or because a cloud account has changed.
 */
async function isDue(trx: Transaction, { id, checkedAt }: Integration): Promise<boolean> {
  return commandsIn(trx).wasRequested(verifyWorkflowId(id), Math.max(checkedAt ?? 0, Date.now() - requestedWithinMs));
}

export type Found = RegistryFindings & {
  /** The values at the time of the check. */
  epoch: number;
  cloudEpoch: number | null;
  /** The login that was checked; null if the registry inherits its access. */
  version: number | null;
  /** Why the registry rejects the active login, if the checked one is the previous login. */
  refused?: { code: string; message: string };
  repositories: string[];
  purposes: RegistryPurpose[];
  /** The host that the registry names for credentials, if it names one. */
  realm: string | undefined;
};

/** `doubted` is the reason for the next check. `rejected` says why a new login was not taken into use. */
export type Recorded = RegistryVerdict & { doubted: string | null; rejected?: string };

/**
 * Stores the result of a check, and ends the operations that wait for it. Returns nothing if the credential, or where
 * it can be sent, was changed during the check: the result says nothing about the new one.
 *
 * A new login becomes the active one if the registry accepts it. Otherwise it is rejected, and nothing else changes. If
 * the registry accepts only the previous login, that one becomes active again.
 *
 * A check that no person requested needs several refusals in a row to be believed.
 */
export async function recordVerification(
  trx: Transaction,
  keyring: Keyring,
  { integrationId, found: given, wish }: { integrationId: string; found: Found; wish: 'asked' | 'due' },
): Promise<Recorded | undefined> {
  const checked = await allIntegrations(trx).take(integrationId);
  if (!checked || checked.status === 'deleting') return undefined;
  if (checked.epoch !== given.epoch || (await cloudEpochOf(trx, checked)) !== given.cloudEpoch) return undefined;
  const outcome = await settleLogin(trx, keyring, checked, given);
  if (outcome === 'outdated') return undefined;
  if (typeof outcome === 'object') {
    return { status: checked.status, reason: checked.statusReason, doubted: null, ...outcome };
  }
  const found = outcome === 'refused' ? asRefused(given) : given;
  const integration = (await allIntegrations(trx).find(integrationId)) ?? checked;
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
  await registryChecksIn(trx).put(integrationId, found, news, now);
  await noteAnswer(trx, integration, refusals);
  await noteChange(trx, integration, verdict);
  const { refused } = found;
  const failure = refused
    ? { code: refused.code, detail: addSentence(refused.message, 'The previous login is in use again.') }
    : login.ok || verdict.status === 'degraded'
      ? undefined
      : { code: login.code, detail: login.message };
  await allOperations(trx).finish({ kind, subjectId: integrationId }, failure);
  return { ...verdict, doubted: refusals > 0 && !login.ok ? login.code : null };
}

/** Returns the refusal of the active login, if the previous one cannot replace it. */
function asRefused({ refused, ...found }: Found): Found {
  if (!refused) return found;
  return { ...found, login: { ok: false, ...refused }, checks: [], realm: undefined };
}

/**
 * Decides which login is in use after the check. Returns `outdated` if the checked login is no longer stored, `refused`
 * if only the previous one works and another integration has taken its user name, and the reason if a new login was
 * rejected.
 */
async function settleLogin(
  trx: Transaction,
  keyring: Keyring,
  integration: Integration,
  found: Found,
): Promise<'in_use' | 'outdated' | 'refused' | { rejected: string }> {
  const { version, login } = found;
  const { id, orgId, projectId } = integration;
  const status = version === null ? 'active' : await loginStatus(trx, id, version);
  if (status === 'active') return 'in_use';
  if (version === null || (status !== 'pending' && status !== 'retiring')) return 'outdated';
  const audit = (action: string, detail: Record<string, string | number>) =>
    appendAudit(trx, { orgId, projectId, actor: 'system', action, target: id, detail: { version, ...detail } });
  const refusal = status === 'pending' ? await reasonToReject(trx, integration, found) : undefined;
  const taken = refusal ? undefined : await promoteLogin(trx, integration, version);
  if (taken === 'gone') return 'outdated';
  if (!refusal && !taken) {
    await audit(status === 'pending' ? 'integration.login_replaced' : 'integration.login_rolled_back', {});
    return 'in_use';
  }
  if (status === 'retiring') return 'refused';
  await registryLogins(trx, keyring).reject(id, version);
  if (!login.ok && login.code === 'realm_not_trusted') {
    await trx('integrations')
      .where({ id })
      .update({ settings: JSON.stringify(withRealm(integration, found)) });
  }
  const { code, message } = refusal ?? {
    code: 'integration_exists',
    message: 'Another integration uses this user name.',
  };
  await audit('integration.login_rejected', { code });
  const detail = addSentence(message, 'The active login stays in use.');
  await allOperations(trx).finish({ kind, subjectId: id }, { code, detail });
  return { rejected: code };
}

/**
 * Returns why a new login cannot be used, if so. A registry that serves anonymous requests accepts everything, so there
 * an unproven login replaces only one that is not proven either. A login must not lose what the active one can do.
 */
async function reasonToReject(
  trx: Transaction,
  { id, status, statusReason }: Integration,
  found: Found,
): Promise<{ code: string; message: string } | undefined> {
  const { login, checks } = found;
  if (isProven(found)) {
    const known = await registryChecksIn(trx).of(id);
    const lost = checks.find(
      (check) => check.outcome === 'denied' && known.some((one) => isSame(one, check) && one.outcome === 'allowed'),
    );
    if (!lost || !usableIntegrationStatuses.includes(status)) return undefined;
    const { action, repository, code = `${action}_denied` } = lost;
    const advice = 'If that is intended, change `purposes` or `repositories` in the same request.';
    const message = `The new login cannot ${action} ${repository}, which the active one could at its last check. ${advice}`;
    return { code, message };
  }
  const code = login.ok ? 'credentials_unproven' : login.code;
  const isNoWorse = !usableIntegrationStatuses.includes(status) || statusReason === code;
  if (code === 'credentials_unproven' && isNoWorse) return undefined;
  return { code, message: login.ok ? '' : login.message };
}

/**
 * Ends a check that got no response for as long as a person would wait. The stored results stay, and the registry is
 * checked again.
 */
export async function giveUpVerification(
  trx: Transaction,
  integrationId: string,
  failure: { code: string; detail: string },
): Promise<void> {
  const integration = await allIntegrations(trx).take(integrationId);
  if (integration) await noteSilence(trx, integration, failure.code);
  // If the integration never worked, its status shows what prevents it.
  await trx('integrations').where({ id: integrationId, status: 'pending' }).update({ status_reason: failure.code });
  await allOperations(trx).finish({ kind, subjectId: integrationId }, failure);
}

/**
 * Stores the host that the credential went to when it was first proven. If the registry later names another host, its
 * owner must consent first.
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

/** Records a change once. Raises an incident only if the integration has worked before. */
async function noteChange(
  trx: Transaction,
  { id, orgId, projectId, status, statusReason, lastSuccessAt, displayName, cloudAccountId }: Integration,
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
    const account = cloudAccountId === null ? undefined : await allCloudAccounts(trx).find(cloudAccountId);
    // Nothing else checks the account regularly, and the refusal may be its own.
    if (account?.status === 'active') await requestCloudCheck(trx, account);
  }
  const detail = { status: verdict.status, reason: verdict.reason };
  await appendAudit(trx, { orgId, projectId, actor: 'system', action: 'integration.verified', target: id, detail });
}

async function cloudEpochOf(trx: Transaction, { cloudAccountId }: Integration): Promise<number | null> {
  if (cloudAccountId === null) return null;
  return (await allCloudAccounts(trx).find(cloudAccountId))?.epoch ?? null;
}
