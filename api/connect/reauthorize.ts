import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import { appRejected } from '../../db/github/follow-installations.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { installationsFor } from '../../db/github/installations.ts';
import { type Integration, integrationsFor } from '../../db/integrations/integrations.ts';
import { credentialsIn } from '../../db/secrets/credentials.ts';
import type { Db, Transaction } from '../../db/store/connection.ts';
import { closedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { requireOrgAdmin } from '../http/caller.ts';
import { Problem } from '../http/problems.ts';
import type { Asking } from '../people/owner.ts';
import { installing, openFlow, requireSignIn, type StartDeps } from './start-flow.ts';

/**
 * Starts a flow that ends at the same integration. An administrator of the account signs in and, if the App was
 * uninstalled, installs it again. Everything that uses the integration stays, and no other account can be connected to
 * it.
 */
export async function startReauthorization(
  trx: Transaction,
  deps: StartDeps,
  asking: Asking,
  { integrationId, redirectUrl }: { integrationId: string; redirectUrl: string | undefined },
): Promise<{ flow: ConnectFlow; url: string }> {
  const integration = await integrationsFor(trx, asking.tenant).find(integrationId);
  if (!integration || closedIntegrationStatuses.includes(integration.status)) throw new Problem('not_found');
  if (integration.projectId === null) requireOrgAdmin(asking.caller, integration.orgId);
  const app = integration.githubAppId ? await githubAppsIn(trx).find(integration.githubAppId) : undefined;
  if (!app) throw new Problem('provider_not_supported', 'Name an integration that uses a GitHub App.');
  await refuseDeadKey(trx, integration, app);
  const isOwn = app.orgId === integration.orgId;
  await requireSignIn(
    trx,
    app,
    isOwn
      ? 'Delete this integration and import the GitHub App again with its client secret'
      : 'Set GITHUB_APP_CLIENT_ID and GITHUB_APP_CLIENT_SECRET',
  );

  const where = await installationsFor(trx, asking.tenant).latestOf(integration.id);
  const isThere = where !== undefined && where.removedAt === null;
  return openFlow(trx, deps, asking, redirectUrl, {
    orgId: integration.orgId,
    projectId: integration.projectId,
    ...installing(app),
    kind: isOwn ? 'own' : 'operator',
    integrationId: integration.id,
    reauthorizes: true,
    displayName: null,
    accountLogin: where?.accountLogin ?? null,
    accountId: where?.accountId ?? null,
    claimedInstallation: isThere ? where.externalId : null,
  });
}

/** Refuses if the App has no key that GitHub accepts, because a new sign-in does not help then. */
async function refuseDeadKey(db: Db, { id, statusReason }: Integration, app: GithubApp): Promise<void> {
  if ((await credentialsIn(db).has(app.id, 'private_key')) && statusReason !== appRejected) return;
  throw new Problem(
    'github_app_incomplete',
    app.orgId === null
      ? 'GitHub rejects the private key of the GitHub App. Ask the operator to set a new one.'
      : `GitHub rejects the private key of the GitHub App. Create a new key in its settings, then send it to \`POST /v1/integrations/${id}/credentials/rotate\`.`,
  );
}
