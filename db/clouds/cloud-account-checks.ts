import { verifyCloudWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { appendAudit } from '../ops/audit.ts';
import { allOperations, type Operation } from '../ops/operations.ts';
import { commandsIn } from '../store/commands.ts';
import type { Transaction } from '../store/connection.ts';
import { hold, locked } from '../store/locks.ts';
import { allCloudAccounts, type CloudAccount } from './cloud-accounts.ts';

const kind = 'verify';

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
 * Stores what the cloud said about the access that the account had when the check began, and ends the waiting
 * operations. Returns false if the account was deleted, or has other access now.
 */
export async function recordCloudCheck(
  trx: Transaction,
  account: CloudAccount,
  refusal: CloudRefusal | undefined,
): Promise<boolean> {
  const { id, orgId, projectId } = account;
  const accounts = allCloudAccounts(trx);
  // Exchanges and deletions lock in this order too: the integrations first.
  await hold(locked(trx('integrations').where({ cloud_account_id: id }).orderBy('id').select('id')));
  const before = await accounts.take(id);
  const status = refusal ? 'action_required' : 'active';
  const reason = refusal?.code ?? null;
  if (!before || !(await accounts.moveStatus(account, status, reason))) return false;
  if (before.status !== status || before.statusReason !== reason) {
    const detail = { status, reason };
    await appendAudit(trx, { orgId, projectId, actor: 'system', action: 'cloud_account.verified', target: id, detail });
    await checkInheritors(trx, id);
  }
  await allOperations(trx).finish({ kind, subjectId: id }, refusal);
  return true;
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
