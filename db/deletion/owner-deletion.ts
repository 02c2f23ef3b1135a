import type { Revocation } from '../../domain/deletion/revocation.ts';
import { closedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { deleteWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { cancelBuild } from '../builds/builds.ts';
import { allLeases } from '../exchange/leases.ts';
import { purgeIdleApp } from '../github/idle-apps.ts';
import { allGrants } from '../integrations/grants.ts';
import { allOperations, type Operation } from '../ops/operations.ts';
import { allProjects } from '../people/projects.ts';
import type { Transaction } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import type { IntegrationRow } from '../store/tables.ts';
import { deleteCloudAccounts } from './cloud-account-deletion.ts';
import { type Deletion, deleteIntegration, endFlows, unended } from './integration-deletion.ts';

type Owned = { orgId: string; revocation: Revocation; audit: Deletion['audit'] };

/**
 * Deletes a project with everything in it, including its tokens. The operation ends when its last integration is
 * deleted.
 */
export async function deleteProject(trx: Transaction, projectId: string, owned: Owned): Promise<Operation> {
  const { orgId, audit } = owned;
  const operation = await begin(trx, projectId, { orgId, projectId });
  const integrations = await emptyProject(trx, projectId, owned);
  await audit({ orgId, projectId, action: 'project.deleted', target: projectId, detail: { integrations } });
  await finishOwners(trx, { org_id: orgId, project_id: projectId });
  return (await allOperations(trx).find(operation.id)) ?? operation;
}

/** Deletes an organization with all of its projects, and revokes its tokens. */
export async function deleteOrg(trx: Transaction, { orgId, revocation, audit }: Owned): Promise<Operation> {
  const owned = { orgId, revocation, audit };
  const operation = await begin(trx, orgId, { orgId, projectId: null });
  const now = Date.now();
  await trx('orgs').where({ id: orgId }).update({ deleted_at: now });
  const projects = await trx('projects').where({ org_id: orgId }).whereNull('deleted_at').orderBy('id').select('id');
  let integrations = 0;
  for (const { id } of projects) {
    integrations += await emptyProject(trx, id, owned);
    await audit({ orgId, projectId: id, action: 'project.deleted', target: id });
  }
  integrations += await deleteIntegrations(trx, { org_id: orgId }, owned);
  await deleteCloudAccounts(trx, { org_id: orgId }, audit);
  await endFlows(trx, { org_id: orgId });
  await trx('tokens').where({ org_id: orgId, revoked_at: null }).update({ revoked_at: now });
  const detail = { projects: projects.length, integrations };
  await audit({ orgId, action: 'org.deleted', target: orgId, detail });
  await finishOwners(trx, { org_id: orgId, project_id: null });
  return (await allOperations(trx).find(operation.id)) ?? operation;
}

async function begin(
  trx: Transaction,
  subjectId: string,
  owner: { orgId: string; projectId: string | null },
): Promise<Operation> {
  const operations = allOperations(trx);
  const work = { kind: 'delete', subjectId, workflowId: deleteWorkflowId(subjectId) };
  const operation = await operations.insert({ ...owner, ...work });
  await operations.takeUp({ kind: 'delete', subjectId });
  return operation;
}

/** Deletes everything that a project has. Returns how many integrations are being deleted. */
async function emptyProject(trx: Transaction, projectId: string, owned: Owned): Promise<number> {
  // The project goes first. Everything begun in it before is visible now, and later requests find that it is gone.
  await allProjects(trx).remove(projectId);
  const deleted = { deleted_at: Date.now() };
  for (const table of ['pipelines', 'apps'] as const) {
    await trx(table).where({ project_id: projectId }).whereNull('deleted_at').update(deleted);
  }
  const builds = await trx('builds').where({ project_id: projectId }).whereIn('status', unended).orderBy('id');
  for (const { id } of builds) await cancelBuild(trx, id, 'project_deleted');
  // Integrations that the organization has granted to the project.
  const granted = await trx('grants').where({ project_id: projectId }).orderBy('integration_id');
  for (const { integration_id: integrationId } of granted) {
    // The grant goes before the leases, so that no request can get a lease between the two.
    await allGrants(trx).remove(integrationId, projectId);
    await allLeases(trx).revoke({ integrationId, projectId });
  }
  const integrations = await deleteIntegrations(trx, { project_id: projectId }, owned);
  await deleteCloudAccounts(trx, { project_id: projectId }, owned.audit);
  await endFlows(trx, { project_id: projectId });
  await trx('tokens').where({ project_id: projectId, revoked_at: null }).update({ revoked_at: Date.now() });
  return integrations;
}

async function deleteIntegrations(trx: Transaction, of: Partial<IntegrationRow>, owned: Owned): Promise<number> {
  const open = await trx('integrations')
    .where(of)
    .whereNotIn('status', closedIntegrationStatuses)
    .orderBy('id')
    .select('id', 'project_id');
  for (const { id, project_id: projectId } of open) await deleteIntegration(trx, { ...owned, id, projectId });
  return open.length;
}

/** Ends the deletion of the project and of the organization, if this was their last integration. */
export async function finishOwners(
  trx: Transaction,
  { org_id: orgId, project_id: projectId }: Pick<IntegrationRow, 'org_id' | 'project_id'>,
): Promise<void> {
  if (projectId !== null) await finishOwner(trx, projectId, { project_id: projectId });
  await finishOwner(trx, orgId, { org_id: orgId });
}

async function finishOwner(trx: Transaction, subjectId: string, owned: Partial<IntegrationRow>): Promise<void> {
  const running = trx('operations').where({ kind: 'delete', subject_id: subjectId, status: 'running' }).first('id');
  // If two integrations end at once, the second sees that the first is gone.
  if (!(await locked(running))) return;
  if (await trx('integrations').where(owned).where({ status: 'deleting' }).first('id')) return;
  if ('org_id' in owned) await letGoOf(trx, subjectId);
  await allOperations(trx).finish({ kind: 'delete', subjectId });
}

/**
 * Purges the secrets of a deleted organization's unused Apps, and releases its installations, so that other
 * organizations can claim them.
 */
async function letGoOf(trx: Transaction, orgId: string): Promise<void> {
  for (const { id } of await trx('github_apps').where({ org_id: orgId }).select('id')) await purgeIdleApp(trx, id);
  await trx('installations')
    .where({ org_id: orgId })
    .whereNotIn('id', trx('bindings').select('installation_id'))
    .update({ org_id: null, updated_at: Date.now() });
}
