import { lostFeatures } from '../../domain/github/github-features.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { appSettingsUrl, installationSettingsUrl, permissionsUpdateUrl } from '../../domain/github/github-urls.ts';
import type { IntegrationStatus } from '../../domain/integrations/integration-status.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import { allIncidents } from '../ops/incidents.ts';
import type { Db } from '../store/connection.ts';

const troubles = [
  ['installation_suspended', 'suspended', 'is suspended'],
  ['installation_gone', 'disconnected', 'was uninstalled'],
] as const satisfies [IncidentCode, IntegrationStatus, string][];

/**
 * Raises an incident for each integration whose installation is suspended or gone. It links to the page on which an
 * owner can fix it. Resolves the incident once the integration has another status, for any reason.
 */
export async function followIntegrationIncidents(db: Db, githubAppId: string): Promise<void> {
  const incidents = allIncidents(db);
  const ofApp = () => db('integrations').where({ github_app_id: githubAppId });
  for (const [code, status, what] of troubles) {
    const open = () => db('incidents').where({ code, status: 'open' });
    const over = await ofApp().whereNot({ status }).whereIn('id', open().select('subject_id')).select('id');
    if (over.length > 0) await incidents.resolveSubject(code, ...over.map(({ id }) => id));

    const fresh = await ofApp().where({ status }).whereNotIn('id', open().select('subject_id'));
    for (const integration of fresh) {
      const installation = await boundTo(db, integration.id, status);
      const of = installation ? ` of ${installation.account_login}` : '';
      await incidents.raise({
        orgId: integration.org_id,
        projectId: integration.project_id,
        code,
        subjectId: integration.id,
        title: `The App’s installation${of} ${what} at GitHub: ${integration.display_name} cannot be used`,
        link: installation?.page ?? null,
      });
    }
  }
}

async function boundTo(db: Db, integrationId: string, status: IntegrationStatus) {
  const query = db('installations')
    .join('bindings', 'bindings.installation_id', 'installations.id')
    .join('github_apps', 'github_apps.id', 'installations.github_app_id')
    .where('bindings.integration_id', integrationId);
  if (status === 'suspended') query.whereNotNull('installations.suspended_at');
  const row = await query.first(
    'installations.account_login',
    'installations.target_type',
    'installations.external_id',
    'github_apps.host_url',
    'github_apps.api_url',
    'github_apps.slug',
  );
  if (!row) return undefined;
  const { web, appPathPrefix } = githubHost(row.host_url, row.api_url);
  // An installation that is gone has no page. The GitHub App's page lets people install it again.
  if (status === 'disconnected') return { ...row, page: appSettingsUrl({ web, appPathPrefix, slug: row.slug }) };
  const { account_login: accountLogin, target_type: targetType, external_id: installationId } = row;
  const organization = targetType === 'User' ? undefined : accountLogin;
  return { ...row, page: installationSettingsUrl(web, { organization, installationId }) };
}

/** Also the reason in an integration's status. */
export const permissionsMissing = 'permissions_missing';

/**
 * Raises an incident for each bound installation that lacks permissions that Fairlead needs. It links to the page on
 * which the owner can grant them. Resolves the incident once GitHub reports the permissions as granted, or once nothing
 * uses the installation.
 */
export async function followPermissions(db: Db, githubAppId: string): Promise<void> {
  const app = await db('github_apps').where({ id: githubAppId }).first();
  if (!app) return;
  const incidents = allIncidents(db);
  const lacking = await db('installations')
    .where({ github_app_id: githubAppId, removed_at: null })
    .whereNotNull('missing_permissions')
    .whereIn('id', db('bindings').select('installation_id'));
  const known = await db('incidents')
    .where({ code: permissionsMissing, status: 'open' })
    .whereIn('subject_id', db('installations').where({ github_app_id: githubAppId }).select('id'))
    .select('subject_id', 'title');
  const titles = new Map(known.map(({ subject_id: id, title }) => [id, title]));

  const titleOf = (login: string, granted: string, missing: string) => {
    const lost = lostFeatures(JSON.parse(granted)).filter(({ optional }) => !optional);
    const wanted = Object.entries(JSON.parse(missing)).map(([name, level]) => `${name}: ${level}`);
    return `${login} does not grant ${wanted.join(', ')}: ${lost.map(({ without }) => without).join('; ')}.`;
  };
  const still = new Map(
    lacking.map((row) => [row.id, titleOf(row.account_login, row.permissions, row.missing_permissions ?? '{}')]),
  );
  // If the missing permissions have changed, the incident needs another title.
  for (const [id, title] of titles) {
    if (still.get(id) !== title) await incidents.resolveSubject(permissionsMissing, id);
  }
  const { web } = githubHost(app.host_url, app.api_url);
  for (const row of lacking) {
    const title = still.get(row.id) ?? '';
    if (titles.get(row.id) === title) continue;
    const { account_login: accountLogin, target_type: accountType, external_id: installationId } = row;
    const page = permissionsUpdateUrl(web, { accountLogin, accountType, installationId });
    await incidents.raise({
      orgId: row.org_id ?? app.org_id,
      projectId: null,
      code: permissionsMissing,
      subjectId: row.id,
      title,
      link: page,
    });
  }
}
