import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { appendAudit } from '../ops/audit.ts';
import { purgeCredentials } from '../secrets/credentials.ts';
import type { Transaction } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import type { GithubAppRow } from '../store/tables.ts';
import { type GithubApp, githubAppsIn, type NewGithubApp } from './github-apps.ts';

type Number = Pick<NewGithubApp, 'hostUrl' | 'appId'>;

/**
 * The App that somebody has the key of: a new one, or one whose last integration is gone. Its organization finds what
 * it had, but for the secrets; another one finds nothing. Nothing is answered where the App is in use.
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

/** Makes room for a row of its own where an organization has left the App. */
export async function retireIdleApp(trx: Transaction, number: Number): Promise<void> {
  const idle = await takeIdle(trx, number);
  if (idle) await retire(trx, idle);
}

/** Locks the App, so that of two that take it the second finds it gone. The operator's App is never idle. */
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

/** An App of one's own is of no more use without an integration, so its secrets go; the operator's stays. */
export async function purgeIdleApp(trx: Transaction, githubAppId: string): Promise<number> {
  // If two integrations end at once, the second sees that the first is gone.
  const app = await locked(trx('github_apps').where({ id: githubAppId }).first());
  if (!app || app.org_id === null) return 0;
  return (await isAppInUse(trx, githubAppId)) ? 0 : purgeCredentials(trx, { github_app_id: githubAppId });
}

/** Also by an integration that is being deleted: its key is what that is done with. */
export async function isAppInUse(trx: Transaction, githubAppId: string): Promise<boolean> {
  const left = await trx('integrations')
    .where({ github_app_id: githubAppId })
    .whereNotIn('status', endedIntegrationStatuses)
    .first('id');
  return left !== undefined;
}
