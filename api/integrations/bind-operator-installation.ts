import { bindInstallation, listOperatorApps, listOperatorInstallations } from '../../db/github/bind-installation.ts';
import { requestSync } from '../../db/github/installations.ts';
import { type Integration, integrationsFor } from '../../db/integrations/integrations.ts';
import { holdOwner, projectsFor } from '../../db/people/projects.ts';
import type { Database } from '../../db/store/connection.ts';
import type { WriteRequest } from '../http/endpoint.ts';
import { Problem, type ProblemCode } from '../http/problems.ts';

/** The problems that binding an installation may return. */
export const bindingProblems: ProblemCode[] = [
  'not_found',
  'provider_not_supported',
  'installation_unknown',
  'installation_claimed',
  'integration_exists',
];

/** Refuses an installation that Fairlead has not read yet, and requests a sync so that the next try finds it. */
export async function requireInstallation(database: Database, externalId: number): Promise<void> {
  const [found] = await listOperatorInstallations(database.reader, externalId);
  if (!found) await refuseUnknown(database);
}

/**
 * Binds an installation of the operator's App to a project, by GitHub's number of the installation. `rebound` is how many
 * apps use the account again.
 */
export async function bindOperatorInstallation(
  { trx, tenant, caller, audit }: Pick<WriteRequest, 'trx' | 'tenant' | 'caller' | 'audit'>,
  { externalId, projectId, displayName }: { externalId: number; projectId: string; displayName?: string | undefined },
): Promise<{ integration: Integration; rebound: number }> {
  const project = await projectsFor(trx, tenant).find(projectId);
  if (!project || !(await holdOwner(trx, { orgId: project.orgId, projectId }))) throw new Problem('not_found');
  const { orgId } = project;
  const [found, another] = await listOperatorInstallations(trx, externalId);
  if (another)
    throw new Problem(
      'invalid_request',
      'Several hosts have an installation with this number. Connect the account in a browser with `POST /v1/integrations/github/start`.',
    );
  if (!found)
    throw new Problem('installation_unknown', 'The installation was just removed. Install the GitHub App again.');
  const { app, installation } = found;
  const bound = await bindInstallation(trx, {
    orgId,
    projectId,
    installation,
    hostUrl: app.hostUrl,
    displayName: displayName ?? null,
    createdBy: caller.id,
    status: installation.suspendedAt === null ? 'active' : 'suspended',
    joins: null,
  });
  if (bound.outcome === 'claimed_by_other_org') {
    throw new Problem(
      'installation_claimed',
      'Install the GitHub App on another account: an installation can belong to only one organization.',
    );
  }
  const { integrationId } = bound;
  if (bound.outcome !== 'bound') {
    throw new Problem('integration_exists', 'Use the existing integration.', {
      members: { integration_id: integrationId },
    });
  }
  await audit({
    orgId,
    projectId,
    action: 'integration.created',
    target: bound.integrationId,
    detail: { installation: installation.id, rebound: bound.rebound },
  });
  const integration = await integrationsFor(trx, tenant).find(bound.integrationId);
  if (!integration) throw new Error('The integration is gone within its own transaction');
  return { integration, rebound: bound.rebound };
}

async function refuseUnknown(database: Database): Promise<never> {
  const apps = await listOperatorApps(database.reader);
  await database.write(async (trx) => {
    for (const app of apps) await requestSync(trx, app.id);
  });
  throw new Problem(
    'installation_unknown',
    apps.length === 0
      ? 'No GitHub App is configured. Ask the operator to set GITHUB_APP_ID and the related settings.'
      : 'Install the GitHub App on the account. If it is installed, try again in a few seconds: Fairlead is reading the installations again.',
  );
}
