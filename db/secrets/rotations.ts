import { newId } from '../../domain/ids.ts';
import { sourcesOf } from '../../domain/moves.ts';
import { rotateWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { isFinalRotationPhase, type RotationPhase, rotationMoves } from '../../domain/secrets/rotation-phase.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import type { RotationRow } from '../store/tables.ts';

/** One replacement of a credential by a new version, from the request until the old version is gone. */
export type Rotation = {
  id: string;
  orgId: string | null;
  projectId: string | null;
  integrationId: string;
  credentialId: string;
  operationId: string;
  rollbackOperationId: string | null;
  mode: RotationRow['mode'];
  phase: RotationPhase;
  /** The version to use and the version to end. A rollback swaps them. */
  newVersion: number;
  oldVersion: number;
  /** Since when the provider may know the version that it is being sent. */
  toldAt: number | null;
  /** Whether the old version ends as soon as the new one is in use. */
  immediate: boolean;
  requestedBy: string;
  startedAt: number;
  updatedAt: number;
};

export type NewRotation = Pick<
  Rotation,
  | 'orgId'
  | 'projectId'
  | 'integrationId'
  | 'credentialId'
  | 'operationId'
  | 'mode'
  | 'newVersion'
  | 'oldVersion'
  | 'requestedBy'
> &
  Partial<Pick<Rotation, 'immediate'>>;

type Note = Partial<Pick<Rotation, 'newVersion' | 'oldVersion' | 'toldAt' | 'rollbackOperationId'>>;

/**
 * Finds and changes rotations. Callers reach them through a credential, or in a workflow that was authorized when it
 * started.
 */
export function rotationsIn(db: Db) {
  return {
    async find(id: string): Promise<Rotation | undefined> {
      const row = await db('rotations').where({ id }).first();
      return row && toRotation(row);
    },

    /** Finds the open rotation of the credential. */
    async findOpen(credentialId: string): Promise<Rotation | undefined> {
      const row = await db('rotations').where({ credential_id: credentialId }).whereNull('finished_at').first();
      return row && toRotation(row);
    },

    /** Finds the open rotation and locks it, so that no other transaction changes it before the commit. */
    async take(id: string): Promise<Rotation | undefined> {
      const open = db('rotations').where({ id }).whereNull('finished_at');
      const row: RotationRow | undefined = await locked(open.first());
      return row && toRotation(row);
    },

    /** Returns nothing if the credential has an open rotation. The unique index decides between two callers. */
    async insert(rotation: NewRotation): Promise<Rotation | undefined> {
      const now = Date.now();
      const row: RotationRow = {
        id: newId('rot'),
        org_id: rotation.orgId,
        project_id: rotation.projectId,
        integration_id: rotation.integrationId,
        credential_id: rotation.credentialId,
        operation_id: rotation.operationId,
        rollback_operation_id: null,
        mode: rotation.mode,
        phase: 'proving',
        new_version: rotation.newVersion,
        old_version: rotation.oldVersion,
        told_at: null,
        immediate: rotation.immediate ?? false,
        requested_by: rotation.requestedBy,
        started_at: now,
        updated_at: now,
        finished_at: null,
      };
      const inserted: { id: string }[] = await db('rotations').insert(row).onConflict().ignore().returning('id');
      return inserted[0] && toRotation(row);
    },

    /** False if the current phase does not allow the move, so a late writer changes nothing. */
    async move(id: string, to: RotationPhase, note: Note = {}): Promise<boolean> {
      const now = Date.now();
      const moved = await db('rotations')
        .where({ id })
        .whereIn('phase', sourcesOf(rotationMoves, to))
        .update({
          phase: to,
          updated_at: now,
          ...toColumns(note),
          ...(isFinalRotationPhase(to) && { finished_at: now }),
        });
      return moved === 1;
    },

    async note(id: string, note: Note): Promise<void> {
      await db('rotations').where({ id }).whereNull('finished_at').update(toColumns(note));
    },
  };
}

/** Starts the rotation's workflow. If the workflow is running, makes it read the row again. */
export async function wakeRotation(trx: Db, rotation: Rotation): Promise<void> {
  const { id, credentialId, operationId, orgId, projectId, integrationId } = rotation;
  // The caller may have read the row before it changed it.
  const row = await trx('rotations').where({ id }).first('phase');
  const command: Command = {
    action: 'signal_with_start',
    workflow: 'rotateCredential',
    workflowId: rotateWorkflowId(credentialId, operationId),
    signal: 'changed',
    input: { rotationId: id },
    attributes: {
      Kind: 'rotateCredential',
      IntegrationId: integrationId,
      ...(orgId && { OrgId: orgId }),
      ...(projectId && { ProjectId: projectId }),
      Phase: row?.phase ?? rotation.phase,
    },
    summary: `Rotate ${await credentialName(trx, credentialId)}`,
  };
  await commandsIn(trx).add(command);
}

async function credentialName(db: Db, id: string): Promise<string> {
  const row = await db('credentials')
    .leftJoin('github_apps', 'github_apps.id', 'credentials.github_app_id')
    .where('credentials.id', id)
    .first('credentials.kind', 'github_apps.slug');
  if (!row) return id;
  return `the ${row.kind.replaceAll('_', ' ')}${row.slug ? ` of the GitHub App ${row.slug}` : ''} (${id})`;
}

function toColumns({ newVersion, oldVersion, toldAt, rollbackOperationId }: Note): Partial<RotationRow> {
  return {
    ...(newVersion !== undefined && { new_version: newVersion }),
    ...(oldVersion !== undefined && { old_version: oldVersion }),
    ...(toldAt !== undefined && { told_at: toldAt }),
    ...(rollbackOperationId !== undefined && { rollback_operation_id: rollbackOperationId }),
  };
}

function toRotation(row: RotationRow): Rotation {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    integrationId: row.integration_id,
    credentialId: row.credential_id,
    operationId: row.operation_id,
    rollbackOperationId: row.rollback_operation_id,
    mode: row.mode,
    phase: row.phase,
    newVersion: row.new_version,
    oldVersion: row.old_version,
    toldAt: row.told_at,
    immediate: Boolean(row.immediate),
    requestedBy: row.requested_by,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
  };
}
