import { z } from 'zod';
import { listOperatorApps } from '../../db/github/bind-installation.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { type Installation, installationsFor } from '../../db/github/installations.ts';
import { startSync } from '../../db/github/sync-requests.ts';
import type { Integration } from '../../db/integrations/integrations.ts';
import type { Operation } from '../../db/ops/operations.ts';
import type { PageRequest } from '../../db/store/page.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { lostFeatures } from '../../domain/github/github-features.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { missingEvents, missingPermissions } from '../../domain/github/github-permissions.ts';
import { permissionsUpdateUrl } from '../../domain/github/github-urls.ts';
import { tenantFor } from '../http/caller.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { epochSeconds, id, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { Accepted } from '../http/operation-view.ts';
import { Problem } from '../http/problems.ts';
import { findIntegration, findReadable } from '../integrations/integrations.ts';

const InstallationView = z
  .object({
    id: z.string(),
    installation_id: z.int().describe('The number of the installation on GitHub'),
    org_id: z.string().nullable().describe('The organization that owns the installation. Null while it is unbound'),
    account: z.object({ id: z.int(), login: z.string(), type: z.string() }),
    repository_selection: z.string(),
    permissions: z.record(z.string(), z.string()),
    events: z.array(z.string()),
    drift: z
      .object({
        missing: z.record(z.string(), z.string()),
        missing_events: z.array(z.string()),
        lost: z.array(z.string()).describe('The features that do not work because of it'),
        approval_url: z.url().describe('Where an owner of the account approves the permissions of the GitHub App'),
      })
      .nullable()
      .describe('The permissions that Fairlead needs and the account has not granted. Null if nothing is missing'),
    suspended: z.boolean(),
    sync_error: z
      .string()
      .nullable()
      .describe('Why the last synchronization failed: the error from GitHub, or `incomplete`'),
    updated_at: epochSeconds,
  })
  .meta({ id: 'Installation' });

const Params = z.strictObject({ integration: id('int') });

export function installationRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  async function listUnbound({ githubAppId, orgId }: Integration, admins: TenantScope, page: PageRequest) {
    if (!githubAppId) return { items: [], next: undefined };
    return installationsFor(database.reader, admins).listUnbound({ githubAppId, orgId }, page);
  }
  async function viewsOf(installations: Installation[]) {
    const apps = new Map<string, GithubApp>();
    for (const id of new Set(installations.map(({ githubAppId }) => githubAppId))) {
      const app = await githubAppsIn(database.reader).find(id);
      if (app) apps.set(id, app);
    }
    return installations.map((one) => installationView(one, apps.get(one.githubAppId)));
  }

  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations/{integration}/installations',
      operationId: 'listIntegrationInstallations',
      tag: 'integrations',
      summary: 'List the installations of an integration',
      description:
        'With `unbound=true` you get the installations of the organization’s own GitHub App that no integration uses. You need `integrations:write` for that. Only the operator can see those of the operator’s GitHub App.',
      access: 'integrations:read',
      params: Params,
      query: PageQuery.extend({ unbound: z.enum(['true', 'false']).optional() }),
      success: { status: 200, body: z.array(InstallationView) },
      async read({ tenant, caller, params, query: { unbound, ...query } }) {
        const integration = await findReadable(database.reader, tenant, params.integration);
        const page = pageRequest(query);
        const { items, next } =
          unbound === 'true'
            ? await listUnbound(integration, tenantFor(caller, 'integrations:write'), page)
            : await installationsFor(database.reader, tenant).listOf(integration.id, page);
        return reply({ body: await viewsOf(items), next });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations/{integration}/installations',
      operationId: 'syncIntegrationInstallations',
      tag: 'integrations',
      summary: 'Synchronize the installations of an integration',
      access: 'integrations:write',
      params: Params,
      success: { status: 202, body: Accepted },
      async write({ trx, tenant, params, audit }) {
        const integration = await findIntegration(trx, tenant, params.integration);
        const { githubAppId, orgId, projectId } = integration;
        if (!githubAppId) throw new Problem('not_found');
        await audit({ orgId, projectId, action: 'installations.sync_requested', target: integration.id });
        return reply({ operation: await startSync(trx, githubAppId, { orgId, projectId }) });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/installations',
      operationId: 'listInstallations',
      tag: 'integrations',
      summary: 'List all installations',
      access: 'ops',
      query: PageQuery.extend({ unbound: z.enum(['true', 'false']).optional() }),
      success: { status: 200, body: z.array(InstallationView) },
      async read({ tenant, query: { unbound, ...page } }) {
        const filter = { unbound: unbound === 'true' };
        const { items, next } = await installationsFor(database.reader, tenant).list(filter, pageRequest(page));
        return reply({ body: await viewsOf(items), next });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/installations',
      operationId: 'syncInstallations',
      tag: 'integrations',
      summary: 'Synchronize the operator’s installations',
      access: 'ops',
      success: { status: 202, body: Accepted },
      problems: ['installation_unknown'],
      async write({ trx, audit }) {
        const apps = await listOperatorApps(trx);
        const operations: Operation[] = [];
        for (const app of apps) {
          operations.push(await startSync(trx, app.id, { orgId: null, projectId: null }));
          await audit({ orgId: null, action: 'installations.sync_requested', target: app.id });
        }
        const newest = operations.at(-1);
        if (!newest)
          throw new Problem(
            'installation_unknown',
            'No GitHub App is configured. Set GITHUB_APP_ID and the related settings.',
          );
        return reply({ operation: newest });
      },
    }),
  ];
}

function installationView(installation: Installation, app: GithubApp | undefined): z.input<typeof InstallationView> {
  return {
    id: installation.id,
    installation_id: installation.externalId,
    org_id: installation.orgId,
    account: {
      id: installation.accountId,
      login: installation.accountLogin,
      type: installation.targetType,
    },
    repository_selection: installation.repositorySelection,
    permissions: installation.permissions,
    events: installation.events,
    drift: driftOf(installation, app),
    suspended: installation.suspendedAt !== null,
    sync_error: installation.syncError,
    updated_at: toSeconds(installation.updatedAt),
  };
}

function driftOf(
  { permissions, events, accountLogin, targetType: accountType, externalId: installationId }: Installation,
  app: GithubApp | undefined,
): z.input<typeof InstallationView>['drift'] {
  const [missing, missingOfEvents] = [missingPermissions(permissions), missingEvents(events)];
  if (!app || Object.keys(missing).length + missingOfEvents.length === 0) return null;
  const { web } = githubHost(app.hostUrl, app.apiUrl);
  return {
    missing,
    missing_events: missingOfEvents,
    lost: lostFeatures(permissions).map(({ without }) => without),
    approval_url: permissionsUpdateUrl(web, { accountLogin, accountType, installationId }),
  };
}
