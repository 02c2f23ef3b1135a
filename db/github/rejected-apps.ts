import { incidentsIn } from '../ops/incidents.ts';
import { purgeCredentials } from '../secrets/purge-credentials.ts';
import type { Transaction } from '../store/connection.ts';
import { everything } from '../store/tenant.ts';
import { appRejected, restoreAccepted } from './follow-installations.ts';
import { type GithubApp, githubAppsIn, type NewGithubApp } from './github-apps.ts';

/**
 * An App of this owner's that GitHub had refused and now takes, with another key: its integration goes on, and the
 * secrets from before are destroyed. Nothing is answered where GitHub had not refused it, or where one of its secrets
 * is being replaced already.
 */
export async function acceptAgain(
  trx: Transaction,
  app: NewGithubApp,
  ownerId: string,
): Promise<{ app: GithubApp; integrationId: string } | undefined> {
  const number = { host_url: app.hostUrl, app_id: app.appId, org_id: app.orgId, retired_at: null };
  const query = trx('github_apps').where(number).first('id');
  // The one writer of SQLite needs no lock.
  if (trx.client.config.client === 'pg') query.forUpdate();
  const row: { id: string } | undefined = await query;
  if (!row) return undefined;
  const rejected = await trx('integrations')
    .where({ github_app_id: row.id, owner_id: ownerId, status: 'reauth_required', status_reason: appRejected })
    .first('id');
  if (!rejected || (await isBeingRotated(trx, row.id))) return undefined;

  await purgeCredentials(trx, { github_app_id: row.id });
  await incidentsIn(trx, everything).resolveSubject(appRejected, row.id);
  const described = await githubAppsIn(trx).describeAnew(row.id, app);
  await restoreAccepted(trx, row.id);
  return described && { app: described, integrationId: rejected.id };
}

/** Who begins a rotation takes the credential first, and waits for this. */
async function isBeingRotated(trx: Transaction, githubAppId: string): Promise<boolean> {
  const query = trx('credentials').where({ github_app_id: githubAppId }).orderBy('kind').select('id');
  if (trx.client.config.client === 'pg') query.forUpdate();
  const ids = (await query).map(({ id }) => id);
  const open = await trx('rotations').whereIn('credential_id', ids).whereNull('finished_at').first('id');
  return open !== undefined;
}
