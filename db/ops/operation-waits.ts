import { buildStatuses, isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import type { Db } from '../store/connection.ts';
import type { OperationRow } from '../store/tables.ts';
import { relayHealth } from './relays.ts';

/** What a running operation waits for. `since` is when it began to wait. */
export type OperationWait = { code: string; detail: string; since: number };

const sentences = {
  no_worker: 'No worker of Fairlead is running. The work continues when one starts.',
  temporal_away: 'Temporal cannot be reached. The work continues when it returns.',
  queued: 'The work has not begun yet. It follows the work that is running or ahead of it.',
} as const;

/**
 * Returns what a running operation waits for, from the database alone. Returns null if it makes progress as far as the
 * database knows.
 */
export async function waitOf(db: Db, row: OperationRow): Promise<OperationWait | null> {
  if (row.status !== 'running') return null;
  const health = await relayHealth(db);
  const plain = (code: keyof typeof sentences, since: number) => ({ code, detail: sentences[code], since });
  // Without a worker no attempt follows the last one.
  if (health === 'no_relay') return plain('no_worker', row.updated_at);
  const pending = await db('commands')
    .where({ workflow_id: row.workflow_id, status: 'pending' })
    .orderBy('id')
    .first('created_at');
  if (health === 'temporal_away') return plain('temporal_away', pending?.created_at ?? row.updated_at);
  if (row.waiting_code !== null && row.waiting_since !== null) {
    return { code: row.waiting_code, detail: row.waiting_detail ?? '', since: row.waiting_since };
  }
  if (row.kind === 'delete') {
    const others = (await waitOfDeletion(db, row)) ?? (await waitOfOwner(db, row));
    if (others) return others;
  }
  if (pending || (row.taken_up_at === null && isTakenUp(row.kind))) return plain('queued', row.created_at);
  return null;
}

/** A worker takes up these kinds of work when it begins. Another kind begins with its request. */
function isTakenUp(kind: string): boolean {
  return ['sync', 'recover', 'verify'].includes(kind);
}

const unended = buildStatuses.filter((status) => !isFinalBuildStatus(status));

async function waitOfDeletion(db: Db, row: OperationRow): Promise<OperationWait | undefined> {
  const open = db('builds').where({ integration_id: row.subject_id }).whereIn('status', unended);
  const builds = Number((await open.count({ count: '*' }).first())?.['count'] ?? 0);
  if (builds === 0) return undefined;
  return { code: 'builds', detail: `${counted(builds, 'build')} must end first.`, since: row.created_at };
}

/** The deletion of a project or an organization ends with its last integration. */
async function waitOfOwner(db: Db, row: OperationRow): Promise<OperationWait | undefined> {
  const left = await db('integrations')
    .where({ status: 'deleting' })
    .where((either) => either.where({ project_id: row.subject_id }).orWhere({ org_id: row.subject_id }))
    .orderBy('id')
    .select('id');
  const [first] = left;
  if (!first) return undefined;
  const detail = `${counted(left.length, 'integration')} must be deleted first, such as ${first.id}.`;
  return { code: 'integrations', detail, since: row.created_at };
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Stores why an attempt at the work of running operations has failed, and that another attempt follows. */
export async function noteWait(
  db: Db,
  workflowId: string,
  { code, detail }: Omit<OperationWait, 'since'>,
): Promise<void> {
  const now = Date.now();
  const running = () => db('operations').where({ workflow_id: workflowId, status: 'running' });
  await running().whereNull('waiting_since').update({ waiting_since: now });
  await running().update({ waiting_code: code, waiting_detail: detail });
}

/** Stores that an attempt has succeeded. */
export async function clearWait(db: Db, workflowId: string): Promise<void> {
  await db('operations')
    .where({ workflow_id: workflowId, status: 'running' })
    .update({ waiting_code: null, waiting_detail: null, waiting_since: null });
}

/** Returns the running operations of the workflow: whether there are any, and whether one has a failed attempt. */
export async function waitsOf(db: Db, workflowId: string): Promise<{ any: boolean; noted: boolean }> {
  const rows = await db('operations').where({ workflow_id: workflowId, status: 'running' }).select('waiting_code');
  return { any: rows.length > 0, noted: rows.some(({ waiting_code: code }) => code !== null) };
}
