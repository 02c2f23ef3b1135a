import { buildStatuses, isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import type { Revocation } from '../../domain/deletion/revocation.ts';
import { type IntegrationStatus, integrationMoves } from '../../domain/integrations/integration-status.ts';
import { sourcesOf } from '../../domain/moves.ts';
import { deleteWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { cancelBuild } from '../builds/builds.ts';
import { allConnectFlows } from '../connect/connect-flows.ts';
import { nudgeFlow } from '../connect/flow-commands.ts';
import { allLeases } from '../exchange/leases.ts';
import { integrationDeleted } from '../integrations/usable-integrations.ts';
import type { AuditEntry } from '../ops/audit.ts';
import { allOperations, type Operation } from '../ops/operations.ts';
import { commandsIn } from '../store/commands.ts';
import type { Db, Transaction } from '../store/connection.ts';
import type { ConnectFlowRow } from '../store/tables.ts';
import { type TenantScope, within } from '../store/tenant.ts';
import { deletionCommand } from './deletion-command.ts';

export type Deletion = {
  id: string;
  orgId: string;
  projectId: string | null;
  revocation: Revocation;
  audit: (entry: Omit<AuditEntry, 'actor' | 'ip' | 'requestId'>) => Promise<void>;
};

/** An integration that can be deleted, or was deleted. */
export type DeletableIntegration = {
  id: string;
  orgId: string;
  projectId: string | null;
  status: IntegrationStatus;
  /** The revocation that its owner chose for the deletion. Null if it was not deleted. */
  revocation: Revocation | null;
};

/** Finds an integration in any status, including a deleted one. */
export async function findEvenDeleted(
  db: Db,
  scope: TenantScope,
  id: string,
): Promise<DeletableIntegration | undefined> {
  const row = await within(scope, db('integrations')).where({ id }).first();
  return (
    row && {
      id: row.id,
      orgId: row.org_id,
      projectId: row.project_id,
      status: row.status,
      revocation: row.revocation,
    }
  );
}

/**
 * Cuts an integration off and requests the revocation of its access at the provider. After the commit, nothing is
 * issued, dispatched or decided for it; the workflow does the rest. A second request returns the same operation.
 */
export async function deleteIntegration(trx: Transaction, deletion: Deletion): Promise<Operation> {
  const { id, orgId, projectId, revocation, audit } = deletion;
  const operations = allOperations(trx);
  const now = Date.now();
  const cutOff = await trx('integrations')
    .where({ id })
    .whereIn('status', sourcesOf(integrationMoves, 'deleting'))
    .update({
      status: 'deleting',
      status_reason: null,
      revocation,
      // The same account can be connected again during the deletion.
      identity_key: `deleted:${id}`,
      epoch: trx.raw('epoch + 1') as unknown as number,
      revision: trx.raw('revision + 1') as unknown as number,
      updated_at: now,
    });
  if (cutOff === 0) {
    const under = await operations.findDeletion(id);
    if (!under) throw new Error('An integration is being deleted without an operation');
    return under;
  }
  const builds = await endBuilds(trx, id);
  const tokens = await allLeases(trx).revoke({ integrationId: id });
  await endFlows(trx, { integration_id: id });

  const workflowId = deleteWorkflowId(id);
  const operation = await operations.insert({ orgId, projectId, kind: 'delete', subjectId: id, workflowId });
  await operations.takeUp({ kind: 'delete', subjectId: id });
  await commandsIn(trx).add(await deletionCommand(trx, { id, orgId, projectId }));
  await audit({
    orgId,
    projectId,
    action: 'integration.deletion_requested',
    target: id,
    detail: { revocation, builds, tokens: tokens.length },
  });
  return operation;
}

/** Ends builds that were not sent. The workflow of a sent build ends it at the provider. */
async function endBuilds(trx: Transaction, integrationId: string): Promise<number> {
  const open = await unendedBuilds(trx, integrationId).orderBy('id').select('id');
  for (const { id } of open) await cancelBuild(trx, id, integrationDeleted);
  return open.length;
}

function unendedBuilds(db: Db, integrationId: string) {
  return db('builds').where({ integration_id: integrationId }).whereIn('status', unended);
}

export async function countUnended(db: Db, integrationId: string): Promise<number> {
  const row = await unendedBuilds(db, integrationId).count({ count: '*' }).first();
  return Number(row?.['count'] ?? 0);
}

export const unended = buildStatuses.filter((status) => !isFinalBuildStatus(status));

/** Cancels open flows, so that none connects an account to something that is deleted. */
export async function endFlows(trx: Transaction, of: Partial<ConnectFlowRow>): Promise<void> {
  const flows = allConnectFlows(trx);
  const open = await trx('connect_flows').where(of).whereNull('finished_at').orderBy('id').select('id');
  for (const { id } of open) {
    const flow = await flows.find(id);
    if (flow && (await flows.move(id, 'canceled', { reason: integrationDeleted }))) await nudgeFlow(trx, flow);
  }
}

/** The statuses of builds that a project still runs through an integration. */
const openStatuses = ['blocked', 'queued', 'dispatching', 'uncertain', 'running'] as const;

/**
 * Ends a project's use of an integration that it lost access to. It revokes the project's tokens. Unsent builds end at
 * once; sent ones end as soon as the provider was asked. Returns the number of tokens, the builds, and the apps that
 * need another source.
 */
export async function cutOffProject(
  trx: Db,
  { integrationId, projectId, reason }: { integrationId: string; projectId: string; reason: string },
): Promise<{ tokens: number; builds: string[]; apps: { id: string; name: string }[] }> {
  const builds: string[] = await trx('builds')
    .where({ integration_id: integrationId, project_id: projectId })
    .whereIn('status', [...openStatuses])
    .orderBy('id')
    .pluck('id');
  for (const id of builds) await cancelBuild(trx, id, reason);
  const tokens = await allLeases(trx).revoke({ integrationId, projectId });
  const apps = await trx('apps')
    .where({ source_integration_id: integrationId, project_id: projectId })
    .whereNull('deleted_at')
    .orderBy('id')
    .select('id', 'name');
  return { tokens: tokens.length, builds, apps };
}
