import { syncWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { allOperations, type Operation } from '../ops/operations.ts';
import { commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import { hold, lockedExceptKey } from '../store/locks.ts';
import { requestSync, syncCommand } from './installations.ts';

/** A pass usually begins within seconds, or follows the running one. */
const lostAfterMs = 60_000;

/**
 * Requests a sync of the App's installations, with an operation for the owner. Returns the pending operation if there
 * is one.
 */
export async function startSync(
  trx: Db,
  githubAppId: string,
  owner: { orgId: string | null; projectId: string | null },
): Promise<Operation> {
  const operations = allOperations(trx);
  const wanted = { ...owner, kind: 'sync', subjectId: githubAppId };
  // Two simultaneous requests, and a pass that begins now, wait for each other.
  await hold(lockedExceptKey(trx('github_apps').where({ id: githubAppId }).first('id')));
  const waiting = await operations.findWaiting(wanted);
  if (waiting && Date.now() - waiting.createdAt < lostAfterMs) return waiting;
  // Adds a new command, because the one that a relay is sending now may belong to a pass that has begun.
  if (waiting) await requestSync(trx, githubAppId);
  else await commandsIn(trx).add(await syncCommand(trx, githubAppId));
  return waiting ?? operations.insert({ ...wanted, workflowId: syncWorkflowId(githubAppId) });
}
