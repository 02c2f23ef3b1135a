import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import { appendAudit } from '../ops/audit.ts';
import { allIncidents } from '../ops/incidents.ts';
import { purgeCredentials } from '../secrets/credentials.ts';
import type { Transaction } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import type { GithubAppRow } from '../store/tables.ts';
import { type GithubApp, githubAppsIn, type NewGithubApp } from './github-apps.ts';

/** The incidents about an App as a whole. */
export const aboutApps: IncidentCode[] = [
  'app_credentials_rejected',
  'app_incomplete',
  'webhook_misdirected',
  'delivery_log_unreadable',
];

type Number = Pick<NewGithubApp, 'hostUrl' | 'appId'>;

/**
 * Adds an App whose key the organization has: a new App, or one whose last integration has ended. The organization that
 * had the App before gets its data back, except for the secrets. Another organization gets an empty App. Returns
 * nothing if the App is in use.
 */
export async function addOwnApp(trx: Transaction, app: NewGithubApp): Promise<GithubApp | undefined> {
  const idle = await takeIdle(trx, app);
  if (idle?.org_id !== app.orgId) {
    if (idle) await retire(trx, idle);
    return githubAppsIn(trx).insert(app);
  }
  await purgeCredentials(trx, { github_app_id: idle.id });
  return githubAppsIn(trx).updateDescription(idle.id, app);
}

/**
 * Frees the host and App ID of an App that an organization no longer uses, so that another owner can have a row for the
 * App.
 */
export async function retireIdleApp(trx: Transaction, number: Number): Promise<void> {
  const idle = await takeIdle(trx, number);
  if (idle) await retire(trx, idle);
}

/**
 * Finds an unused App and locks it. If two transactions take the same App, the second finds it gone. The operator's App
 * is never idle.
 */
async function takeIdle(trx: Transaction, { hostUrl, appId }: Number): Promise<GithubAppRow | undefined> {
  const owned = trx('github_apps').where({ host_url: hostUrl, app_id: appId, retired_at: null }).whereNotNull('org_id');
  const app: GithubAppRow | undefined = await locked(owned.first());
  return app && !(await isAppInUse(trx, app.id)) ? app : undefined;
}

async function retire(trx: Transaction, { id, org_id: orgId }: GithubAppRow): Promise<void> {
  await purgeCredentials(trx, { github_app_id: id });
  await githubAppsIn(trx).retire(id);
  await appendAudit(trx, { orgId, actor: 'system', action: 'github_app.retired', target: id });
}

/**
 * Destroys the secrets of an organization's own App that no integration uses any longer. The operator's App keeps its
 * secrets.
 */
export async function purgeIdleApp(trx: Transaction, githubAppId: string): Promise<number> {
  // If two integrations end at once, the second sees that the first is gone.
  const app = await locked(trx('github_apps').where({ id: githubAppId }).first());
  if (!app || app.org_id === null) return 0;
  if (await isAppInUse(trx, githubAppId)) return 0;
  // No person can act on these without the key.
  await allIncidents(trx).resolveAbout(githubAppId, ...aboutApps);
  return purgeCredentials(trx, { github_app_id: githubAppId });
}

/**
 * Returns whether an integration uses the App. An integration that is being deleted counts, because the deletion needs
 * the App's key.
 */
export async function isAppInUse(trx: Transaction, githubAppId: string): Promise<boolean> {
  const left = await trx('integrations')
    .where({ github_app_id: githubAppId })
    .whereNotIn('status', endedIntegrationStatuses)
    .first('id');
  return left !== undefined;
}
