import { lostFeatures } from '../../domain/github/github-features.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { permissionsUpdateUrl } from '../../domain/github/github-urls.ts';
import { incidentsIn } from '../ops/incidents.ts';
import type { Db } from '../store/connection.ts';
import { everything } from '../store/tenant.ts';

/** Also the reason of an integration's status. */
export const permissionsMissing = 'permissions_missing';

/**
 * An incident for each bound installation whose owner has not granted what Fairlead needs, with the page on which to
 * grant it; resolved once GitHub says that it was granted, or nobody uses the installation any more.
 */
export async function followPermissions(db: Db, githubAppId: string): Promise<void> {
  const app = await db('github_apps').where({ id: githubAppId }).first();
  if (!app) return;
  const incidents = incidentsIn(db, everything);
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
  // What is missing may have changed, and with it what there is to say.
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
