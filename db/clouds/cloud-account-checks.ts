import { cloudAdvice } from '../../domain/clouds/cloud-advice.ts';
import { addSentence } from '../../domain/ops/sentences.ts';
import { verifyCloudWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { appendAudit } from '../ops/audit.ts';
import { allIncidents } from '../ops/incidents.ts';
import { allOperations, type Operation } from '../ops/operations.ts';
import { commandsIn } from '../store/commands.ts';
import type { Transaction } from '../store/connection.ts';
import { hold, locked } from '../store/locks.ts';
import type { Keyring } from '../store/sealing.ts';
import { type AccessStage, promoteAccess, rejectAccess } from './cloud-access.ts';
import { allCloudAccounts, type CloudAccount } from './cloud-accounts.ts';

const kind = 'verify';
const refusedCode = 'cloud_account_refused';

/** Usually a check begins within seconds. A request that waits for longer than this counts as lost. */
const lostAfterMs = 60_000;

/** Why a cloud does not let the account in, in words that are safe to show. */
export type CloudRefusal = { code: string; detail: string };

/** Requests a check of the account at its cloud. If a check already waits to start, no second one is added. */
export async function requestCloudCheck(
  trx: Transaction,
  { id, orgId, projectId }: Pick<CloudAccount, 'id' | 'orgId' | 'projectId'>,
): Promise<Operation> {
  const operations = allOperations(trx);
  const wanted = { orgId, projectId, kind, subjectId: id };
  const waiting = await operations.findWaiting(wanted);
  if (waiting && Date.now() - waiting.createdAt < lostAfterMs) return waiting;
  const workflowId = verifyCloudWorkflowId(id);
  const owner = { OrgId: orgId, ...(projectId !== null && { ProjectId: projectId }) };
  await commandsIn(trx).add({
    action: 'signal_with_start',
    workflow: 'verifyCloudAccount',
    workflowId,
    signal: 'requested',
    input: { cloudAccountId: id },
    attributes: { ...owner, Kind: 'verifyCloudAccount', Phase: 'asking' },
    summary: `Ask the cloud of ${id} who it is there`,
  });
  return operations.insert({ ...wanted, workflowId });
}

/**
 * Begins the check that operations wait for. Returns false if there is none. If the account was deleted, fails the
 * operations and returns false.
 */
export async function beginCloudCheck(trx: Transaction, cloudAccountId: string): Promise<boolean> {
  const operations = allOperations(trx);
  const subject = { kind, subjectId: cloudAccountId };
  const isAsked = (await operations.takeUp(subject)) > 0;
  if (!isAsked) return false;
  if (await allCloudAccounts(trx).find(cloudAccountId)) return true;
  await operations.finish(subject, { code: 'cloud_account_deleted', detail: 'The cloud account was deleted.' });
  return false;
}

/**
 * Locks the integrations that inherit the access of an account. Exchanges and deletions lock in this order too: the
 * integrations first, then the account.
 */
export async function holdInheritors(trx: Transaction, accountId: string): Promise<void> {
  await hold(locked(trx('integrations').where({ cloud_account_id: accountId }).orderBy('id').select('id')));
}

/**
 * Stores what the cloud said about an access, and ends the waiting operations. A pending access becomes the active one
 * if the cloud accepts it. Otherwise it is rejected, and nothing else changes. The previous access becomes the active
 * one again if the cloud accepts only that one. Returns false if the account was deleted, or changed since the check
 * began.
 */
export async function recordCloudCheck(
  trx: Transaction,
  keyring: Keyring,
  { account, stage, refusal }: { account: CloudAccount; stage: AccessStage; refusal: CloudRefusal | undefined },
): Promise<boolean> {
  const { id, orgId, projectId, epoch } = account;
  const accounts = allCloudAccounts(trx);
  const finish = (error?: CloudRefusal) => allOperations(trx).finish({ kind, subjectId: id }, error);
  const audit = (action: string, detail: { status?: string; reason?: string | null }) =>
    appendAudit(trx, { orgId, projectId, actor: 'system', action: `cloud_account.${action}`, target: id, detail });
  await holdInheritors(trx, id);
  const before = await accounts.take(id);
  if (!before || before.epoch !== epoch) return false;
  if (stage !== 'active') {
    if (before.revision !== account.revision) return false;
    if (refusal && stage === 'pending') {
      await rejectAccess(trx, keyring, before);
      await audit('access_rejected', { reason: refusal.code });
      await finish({ ...refusal, detail: addSentence(refusal.detail, 'The active access stays in use.') });
      return true;
    }
    await promoteAccess(trx, before, stage, { status: 'active', checkedAt: Date.now() });
    await allIncidents(trx).resolveAbout(id, refusedCode);
    await audit(stage === 'pending' ? 'access_replaced' : 'access_rolled_back', {});
    await checkInheritors(trx, id);
    // After a return to the previous access, the refusal is that of the access that was active.
    await finish(
      refusal && { ...refusal, detail: addSentence(refusal.detail, 'The previous access is in use again.') },
    );
    return true;
  }
  const status = refusal ? 'action_required' : 'active';
  const reason = refusal?.code ?? null;
  if (!(await accounts.moveStatus(account, status, reason))) return false;
  if (status === 'active') await allIncidents(trx).resolveAbout(id, refusedCode);
  // While an account is being set up, the person who does it sees the refusal in the operation.
  else if (before.status === 'active') await raiseRefused(trx, before, reason);
  if (before.status !== status || before.statusReason !== reason) {
    await audit('verified', { status, reason });
    await checkInheritors(trx, id);
  }
  await finish(refusal);
  return true;
}

async function raiseRefused(
  trx: Transaction,
  { id: subjectId, orgId, projectId, displayName }: CloudAccount,
  reason: string | null,
): Promise<void> {
  const title = `${displayName}: the cloud no longer accepts its access (${reason})`;
  await allIncidents(trx).raise({
    orgId,
    projectId,
    code: refusedCode,
    subjectId,
    title,
    action: cloudAdvice(reason ?? ''),
  });
}

/**
 * Makes the registries that inherit the account's access due for a check, because their permissions might have changed.
 */
async function checkInheritors(trx: Transaction, id: string): Promise<void> {
  const now = Date.now();
  await trx('integrations')
    .where({ cloud_account_id: id })
    .where('next_check_at', '>', now)
    .update({ next_check_at: now });
}

/**
 * Fails the operation when the cloud has not responded for as long as a person would wait. The status of the account
 * does not change. A pending account shows the code of the failure.
 */
export async function giveUpCloudCheck(trx: Transaction, cloudAccountId: string, failure: CloudRefusal): Promise<void> {
  await trx('cloud_accounts')
    .where({ id: cloudAccountId, status: 'pending' })
    .update({ status_reason: failure.code, updated_at: Date.now() });
  await allOperations(trx).finish({ kind, subjectId: cloudAccountId }, failure);
}
