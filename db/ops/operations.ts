import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import type { OperationRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';
import { wake } from '../store/wakes.ts';
import { type OperationWait, waitOf } from './operation-waits.ts';

/** Long-running work that a caller can wait for. */
export type Operation = {
  id: string;
  orgId: string | null;
  projectId: string | null;
  kind: string;
  subjectId: string;
  workflowId: string;
  status: OperationRow['status'];
  errorCode: string | null;
  errorDetail: string | null;
  createdAt: number;
  finishedAt: number | null;
  /** The outcome of a deletion at the provider. */
  outcome: string | null;
  /** What a running operation waits for. Only a search for one operation returns it. */
  waitsFor: OperationWait | null;
};

export type NewOperation = Pick<Operation, 'orgId' | 'projectId' | 'kind' | 'subjectId' | 'workflowId'>;

type OperationSubject = Pick<Operation, 'kind' | 'subjectId'>;

export function operationsFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('operations'));
  return {
    async find(id: string): Promise<Operation | undefined> {
      const row = await visible().where({ id }).first();
      return row && withFacts(db, row);
    },

    /** Finds the deletion of a subject. There is only one. */
    async findDeletion(subjectId: string): Promise<Operation | undefined> {
      const row = await visible().where({ kind: 'delete', subject_id: subjectId }).orderBy('id').first();
      return row && withFacts(db, row);
    },

    /**
     * Finds what this owner has already requested and no worker has begun. The worker that begins it serves both
     * requests.
     */
    async findWaiting({ kind, subjectId, orgId, projectId }: Omit<NewOperation, 'workflowId'>) {
      const owner = { org_id: orgId, project_id: projectId };
      const row = await visible()
        .where({ kind, subject_id: subjectId, status: 'running', taken_up_at: null, ...owner })
        .orderBy('id')
        .first();
      return row && toOperation(row);
    },

    async insert({ id = newId('op'), ...operation }: NewOperation & { id?: string }): Promise<Operation> {
      const now = Date.now();
      const row: OperationRow = {
        id,
        org_id: operation.orgId,
        project_id: operation.projectId,
        kind: operation.kind,
        subject_id: operation.subjectId,
        workflow_id: operation.workflowId,
        status: 'running',
        error_code: null,
        error_detail: null,
        taken_up_at: null,
        created_at: now,
        updated_at: now,
        finished_at: null,
        waiting_code: null,
        waiting_detail: null,
        waiting_since: null,
      };
      await db('operations').insert(row);
      return toOperation(row);
    },

    /**
     * Marks all requests of this kind on the subject as begun. The work that begins now serves them. Returns how many
     * there are.
     */
    async takeUp({ kind, subjectId }: OperationSubject): Promise<number> {
      const now = Date.now();
      return visible()
        .where({ kind, subject_id: subjectId, status: 'running' })
        .update({ taken_up_at: now, updated_at: now });
    },

    /** Returns whether an operation waits for this work. */
    async isRunning({ kind, subjectId }: OperationSubject): Promise<boolean> {
      return (await visible().where({ kind, subject_id: subjectId, status: 'running' }).first('id')) !== undefined;
    },

    /** Ends this operation, unless it has already ended. */
    async end(id: string, error?: { code: string; detail: string }): Promise<void> {
      const now = Date.now();
      await visible()
        .where({ id, status: 'running' })
        .update({
          status: error ? 'failed' : 'succeeded',
          error_code: error?.code ?? null,
          error_detail: error?.detail ?? null,
          updated_at: now,
          finished_at: now,
        });
      wake(db, 'operations');
    },

    /**
     * Ends every operation that has begun. With `orgId`, ends only those of that organization; null means no
     * organization.
     */
    async finish(
      { kind, subjectId, orgId }: OperationSubject & { orgId?: string | null },
      error?: { code: string; detail: string },
    ): Promise<void> {
      const now = Date.now();
      await visible()
        .where({ kind, subject_id: subjectId, status: 'running', ...(orgId !== undefined && { org_id: orgId }) })
        .whereNotNull('taken_up_at')
        .update({
          status: error ? 'failed' : 'succeeded',
          error_code: error?.code ?? null,
          error_detail: error?.detail ?? null,
          updated_at: now,
          finished_at: now,
        });
      wake(db, 'operations');
    },
  };
}

/** Returns `operationsFor` without a tenant filter. Use it only with IDs that were authorized when they were stored. */
export const allOperations = (db: Db) => operationsFor(db, everything);

async function withFacts(db: Db, row: OperationRow): Promise<Operation> {
  return { ...toOperation(row), outcome: await outcomeOf(db, row), waitsFor: await waitOf(db, row) };
}

async function outcomeOf(db: Db, { kind, subject_id: id }: OperationRow): Promise<string | null> {
  if (kind !== 'delete') return null;
  return (await db('integrations').where({ id }).first())?.revocation_outcome ?? null;
}

function toOperation(row: OperationRow): Operation {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    kind: row.kind,
    subjectId: row.subject_id,
    workflowId: row.workflow_id,
    status: row.status,
    errorCode: row.error_code,
    errorDetail: row.error_detail,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    outcome: null,
    waitsFor: null,
  };
}
