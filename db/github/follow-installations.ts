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
import type { GithubApp, NewGithubApp } from './github-apps.ts';
import { githubAppsIn } from './github-apps.ts';
import { followIntegrationIncidents, followPermissions, permissionsMissing } from './installation-incidents.ts';

/** Also the reason of an integration's status: nothing can be done on an App that GitHub does not accept. */
export const appRejected = 'app_credentials_rejected' satisfies IncidentCode;

/**
 * Brings the status of every integration on an App in line with the installations that it is bound to: usable while
 * one of them is, suspended while one could be again, gone once all of them are. One on the operator's App has a
 * single installation; on an App of its own it may have one for each account. One that lacks permissions is usable as far
 * as they go, and none is while GitHub does not accept the App.
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
  // What else may be wrong with an integration is not cured by its installations.
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

/** GitHub accepts the App again. What else is wrong with its integrations is seen right after. */
export async function restoreAccepted(db: Db, githubAppId: string): Promise<void> {
  const restored = await db('integrations')
    .where({ github_app_id: githubAppId, status: 'reauth_required', status_reason: appRejected })
    .update({ status: 'active', status_reason: null, updated_at: Date.now() });
  if (restored > 0) await followInstallations(db, githubAppId);
}

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
