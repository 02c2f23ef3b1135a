import { newId } from '../../domain/ids.ts';
import type { WorkflowAttributes } from '../../domain/ops/workflow-ids.ts';
import { redact } from '../../domain/secrets/redact.ts';
import type { Db } from './connection.ts';
import { skipLocked } from './locks.ts';
import type { CommandRow } from './tables.ts';
import { wake } from './wakes.ts';

/** A start or a signal that the relay must send to Temporal. Its input holds only IDs and safe text. */
export type Command = {
  action: 'start' | 'signal' | 'signal_with_start';
  /** The name of the workflow function. */
  workflow: string;
  workflowId: string;
  signal?: string;
  input: unknown;
  /** Search attributes, with which operators find the workflow in the Temporal UI. */
  attributes?: WorkflowAttributes;
  /** One line for the Temporal UI. */
  summary?: string;
};

export type PendingCommand = Command & { id: string; attempts: number };

/**
 * Matches an earlier command that must be sent before this one. The commands of one workflow are sent in order, but a
 * start always comes first.
 */
const before = `
  select 1 from commands as earlier
  where earlier.status = 'pending' and earlier.workflow_id = commands.workflow_id and earlier.id <> commands.id
    and ((earlier.action = 'start' and commands.action <> 'start')
      or ((earlier.action = 'start') = (commands.action = 'start') and earlier.id < commands.id))`;

/** The clocks of several hosts differ by less than this. */
const clockMarginMs = 60_000;

export function commandsIn(db: Db) {
  const dueAt = (now: number) =>
    db('commands').where({ status: 'pending' }).where('due_at', '<=', now).whereRaw(`not exists (${before})`);

  return {
    /** Returns whether there is anything to claim. Cheaper than a claim, which takes the write lock on SQLite. */
    async hasDue(): Promise<boolean> {
      return (await dueAt(Date.now()).select('id').first()) !== undefined;
    },

    /** Adds commands in the transaction that causes them. The relay sends them after the commit. */
    async add(...commands: Command[]): Promise<void> {
      if (commands.length === 0) return;
      const now = Date.now();
      await db('commands').insert(
        commands.map((command) => ({
          id: newId('cmd'),
          action: command.action,
          workflow: command.workflow,
          workflow_id: command.workflowId,
          signal: command.signal ?? null,
          input: JSON.stringify(command.input),
          attributes: JSON.stringify(command.attributes ?? {}),
          summary: safeSummary(command.summary ?? ''),
          status: 'pending' as const,
          attempts: 0,
          due_at: now,
          created_at: now,
          updated_at: now,
        })),
      );
      wake(db, 'commands');
    },

    /**
     * Claims due commands for `claimMs`. If a relay dies, the others can claim its commands after that time. Only the
     * first command of each workflow is claimed, and a start comes before everything else. Otherwise a signal could
     * overtake the start and be lost.
     */
    async claim(limit: number, claimMs: number): Promise<PendingCommand[]> {
      const now = Date.now();
      const due = dueAt(now).orderBy(['due_at', 'id']).limit(limit);
      const rows: CommandRow[] = await skipLocked(due);
      if (rows.length === 0) return [];
      await db('commands')
        .whereIn(
          'id',
          rows.map(({ id }) => id),
        )
        .update({ due_at: now + claimMs, attempts: db.raw('attempts + 1') as unknown as number, updated_at: now });
      return rows.map(toPendingCommand);
    },

    async markDone(ids: string[]): Promise<void> {
      await db('commands').whereIn('id', ids).update({ status: 'done', last_error: null, updated_at: Date.now() });
    },

    async markFailed(id: string, error: string): Promise<void> {
      await db('commands').where({ id }).update({ status: 'failed', last_error: error, updated_at: Date.now() });
    },

    /** Gives the command back, to be tried again at `dueAt`. */
    async release(id: string, dueAt: number, error: string): Promise<void> {
      await db('commands')
        .where({ id, status: 'pending' })
        .update({ due_at: dueAt, last_error: error, updated_at: Date.now() });
    },

    /**
     * Releases every claim. Call this only at the start of a relay that runs alone, so that no other relay works on the
     * commands.
     */
    async releaseClaims(): Promise<void> {
      const now = Date.now();
      await db('commands').where({ status: 'pending' }).where('due_at', '>', now).update({ due_at: now });
    },

    /** Returns whether the workflow was requested since then. Finished requests stay stored for a week. */
    async wasRequested(workflowId: string, since: number): Promise<boolean> {
      const request = db('commands')
        .where({ workflow_id: workflowId })
        .where('created_at', '>=', since - clockMarginMs);
      return (await request.first('id')) !== undefined;
    },

    /** Returns whether a start of the workflow has not been sent to Temporal yet. */
    async isStarting(workflowId: string): Promise<boolean> {
      const pending = db('commands').where({ workflow_id: workflowId, status: 'pending' }).whereNot('action', 'signal');
      return (await pending.first('id')) !== undefined;
    },

    async countPending(): Promise<number> {
      const row = await db('commands').where({ status: 'pending' }).count({ count: '*' }).first();
      return Number(row?.['count'] ?? 0);
    },
  };
}

/** Temporal rejects a longer summary. */
const longestSummary = 200;

/** A summary names branches and accounts, and their owners choose the names. */
function safeSummary(summary: string): string {
  return redact(summary).replace(/\s+/g, ' ').slice(0, longestSummary).toWellFormed();
}

function toPendingCommand(row: CommandRow): PendingCommand {
  return {
    id: row.id,
    action: row.action,
    workflow: row.workflow,
    workflowId: row.workflow_id,
    ...(row.signal === null ? {} : { signal: row.signal }),
    input: JSON.parse(row.input),
    attributes: JSON.parse(row.attributes),
    summary: row.summary,
    attempts: row.attempts,
  };
}
