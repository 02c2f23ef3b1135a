import { appsFor } from '../../db/builds/apps.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations, type Installation, requestSync } from '../../db/github/installations.ts';
import { type Integration, integrationsFor } from '../../db/integrations/integrations.ts';
import { holdOwner, projectsFor } from '../../db/people/projects.ts';
import type { Database, Db } from '../../db/store/connection.ts';
import type { WriteRequest } from '../http/endpoint.ts';
import { Problem, type ProblemCode } from '../http/problems.ts';

/** What binding an installation may be refused for. */
export const bindingProblems: ProblemCode[] = [
  'not_found',
  'provider_not_supported',
  'installation_unknown',
  'installation_claimed',
  'integration_exists',
];

/** Looks before the transaction: an installation that we do not know yet is read, for the next try. */
export async function lookForInstallation(database: Database, externalId: number): Promise<void> {
  if (!(await findInstallation(database.reader, externalId))) await refuseUnknown(database);
}

/** Binds an installation of the operator's App, by GitHub's number of it, to a project. */
export async function bindInstallation(
  { trx, tenant, caller, audit }: Pick<WriteRequest, 'trx' | 'tenant' | 'caller' | 'audit'>,
  { externalId, projectId, displayName }: { externalId: number; projectId: string; displayName?: string | undefined },
): Promise<Integration> {
  const project = await projectsFor(trx, tenant).find(projectId);
  if (!project || !(await holdOwner(trx, { orgId: project.orgId, projectId }))) throw new Problem('not_found');
  const found = await findInstallation(trx, externalId);
  if (!found) throw new Problem('installation_unknown', 'It went away just now.');
  const { app, installation } = found;
  const claimed = await allInstallations(trx).claim(installation.id, project.orgId);
  if (!claimed) throw new Problem('installation_claimed', 'An installation belongs to one organization.');

  const identityKey = `installation:${installation.id}`;
  const integrations = integrationsFor(trx, tenant);
  const made = await integrations.insert({
    orgId: project.orgId,
    projectId,
    kind: 'github',
    hostUrl: app.hostUrl,
    authMode: 'github_app',
    status: installation.suspendedAt === null ? 'active' : 'suspended',
    displayName: displayName ?? `GitHub: ${installation.accountLogin}`,
    githubAppId: app.id,
    createdBy: caller.id,
    identityKey,
    metadata: { installation_id: externalId },
  });
  if (!made) {
    const other = await integrations.findByIdentity(projectId, identityKey);
    throw new Problem('integration_exists', 'Use the one that is there.', {
      members: { integration_id: other?.id ?? null },
    });
  }
  await allInstallations(trx).bind(made.id, installation.id, projectId);
  const rebound = await appsFor(trx, tenant).rebind({ id: made.id, orgId: project.orgId, projectId }, installation.id);
  await audit({
    orgId: project.orgId,
    projectId,
    action: 'integration.created',
    target: made.id,
    detail: { installation: installation.id, rebound },
  });
  const integration = await integrations.find(made.id);
  if (!integration) throw new Error('The integration is gone within its own transaction');
  return integration;
}

/** An operator's App belongs to no organization. */
async function listOperatorApps(db: Db): Promise<GithubApp[]> {
  return (await githubAppsIn(db).list()).filter(({ orgId }) => orgId === null);
}

async function findInstallation(db: Db, externalId: number) {
  for (const app of await listOperatorApps(db)) {
    const found: Installation | undefined = await allInstallations(db).findByExternalId(app.id, externalId);
    if (found && found.removedAt === null) return { app, installation: found };
  }
  return undefined;
}

/** It may be so new that we have not read it yet: it is read now, for the next try. */
async function refuseUnknown(database: Database): Promise<never> {
  const apps = await listOperatorApps(database.reader);
  await database.write(async (trx) => {
    for (const app of apps) await requestSync(trx, app.id);
  });
  throw new Problem(
    'installation_unknown',
    apps.length === 0
      ? 'No GitHub App is configured: set GITHUB_APP_ID and the settings that go with it.'
      : 'Install the App on the account. If it is, try again in a few seconds: the installations are being read again.',
  );
}
