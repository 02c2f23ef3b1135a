import type { Knex } from 'knex';
import {
  type IntegrationStatus,
  integrationMoves,
  usableIntegrationStatuses,
} from '../../domain/integrations/integration-status.ts';
import { sourcesOf } from '../../domain/moves.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import { allIncidents } from '../ops/incidents.ts';
import { purgeCredentials } from '../secrets/credentials.ts';
import type { Db, Transaction } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import { type GithubApp, githubAppsIn, type NewGithubApp } from './github-apps.ts';
import { followIntegrationIncidents, followPermissions, permissionsMissing } from './installation-incidents.ts';

/** Also the reason in an integration's status: nothing works while GitHub rejects the App. */
export const appRejected = 'app_credentials_rejected' satisfies IncidentCode;

/**
 * Updates the status of every integration on an App from the installations that it is bound to. An integration is
 * usable while one of its installations is usable. It is suspended while one of them is only suspended, and
 * disconnected once all of them are gone.
 *
 * An integration on the operator's App has a single installation. An integration on an organization's own App can have
 * one for each account. If permissions are missing, the integration stays usable with the permissions that it has. No
 * integration is usable while GitHub rejects the App.
 */
export async function followInstallations(db: Db, githubAppId: string): Promise<void> {
  const bound = () =>
    db('bindings')
      .join('installations', 'installations.id', 'bindings.installation_id')
      .where('installations.github_app_id', githubAppId)
      .select('bindings.integration_id');
  const present = () => bound().whereNull('installations.removed_at');
  const usable = () => present().whereNull('installations.suspended_at');

  const move = async (
    from: IntegrationStatus[],
    to: IntegrationStatus,
    reason: string | null,
    those: (all: Knex.QueryBuilder) => unknown,
  ) => {
    await db('integrations')
      .whereIn('status', from)
      .where((all) => void those(all))
      .update({ status: to, status_reason: reason, updated_at: Date.now() });
  };
  await move(sourcesOf(integrationMoves, 'disconnected'), 'disconnected', 'installation_gone', (all) =>
    all.whereIn('id', bound()).whereNotIn('id', present()),
  );
  await move(sourcesOf(integrationMoves, 'suspended'), 'suspended', 'installation_suspended', (all) =>
    all.whereIn('id', present()).whereNotIn('id', usable()),
  );
  // Usable installations fix no other problem of an integration.
  await move(['disconnected', 'suspended'], 'active', null, (all) => all.whereIn('id', usable()));

  const lacking = () => usable().whereNotNull('installations.missing_permissions');
  await move(['active'], 'degraded', permissionsMissing, (all) => all.whereIn('id', lacking()));
  await move(['degraded'], 'active', null, (all) =>
    all.where({ status_reason: permissionsMissing }).whereIn('id', usable()).whereNotIn('id', lacking()),
  );

  const rejected = db('incidents').where({ code: appRejected, subject_id: githubAppId, status: 'open' });
  await move([...usableIntegrationStatuses], 'reauth_required', appRejected, (all) =>
    all.where({ github_app_id: githubAppId }).whereIn('github_app_id', rejected.select('subject_id')),
  );
  await followPermissions(db, githubAppId);
  await followIntegrationIncidents(db, githubAppId);
}

/**
 * Restores the integrations of an App that GitHub accepts again. `followInstallations` then finds any other problem of
 * them.
 */
export async function restoreAccepted(db: Db, githubAppId: string): Promise<void> {
  const restored = await db('integrations')
    .where({ github_app_id: githubAppId, status: 'reauth_required', status_reason: appRejected })
    .update({ status: 'active', status_reason: null, updated_at: Date.now() });
  if (restored > 0) await followInstallations(db, githubAppId);
}

/**
 * Accepts a new key for an App of this owner that GitHub had rejected. The integration continues, and the old secrets
 * are destroyed. Returns nothing if GitHub had not rejected the App, or if one of its secrets is being rotated.
 */
export async function acceptAgain(
  trx: Transaction,
  app: NewGithubApp,
  ownerId: string,
): Promise<{ app: GithubApp; integrationId: string } | undefined> {
  const number = { host_url: app.hostUrl, app_id: app.appId, org_id: app.orgId, retired_at: null };
  const row: { id: string } | undefined = await locked(trx('github_apps').where(number).first('id'));
  if (!row) return undefined;
  const rejected = await trx('integrations')
    .where({ github_app_id: row.id, owner_id: ownerId, status: 'reauth_required', status_reason: appRejected })
    .first('id');
  if (!rejected || (await isBeingRotated(trx, row.id))) return undefined;

  await purgeCredentials(trx, { github_app_id: row.id });
  await allIncidents(trx).resolveSubject(appRejected, row.id);
  const described = await githubAppsIn(trx).updateDescription(row.id, app);
  await restoreAccepted(trx, row.id);
  return described && { app: described, integrationId: rejected.id };
}

/** A new rotation locks the credential first, so it waits for this transaction. */
async function isBeingRotated(trx: Transaction, githubAppId: string): Promise<boolean> {
  const credentials = trx('credentials').where({ github_app_id: githubAppId }).orderBy('kind').select('id');
  const ids = (await locked(credentials)).map(({ id }) => id);
  const open = await trx('rotations').whereIn('credential_id', ids).whereNull('finished_at').first('id');
  return open !== undefined;
}
