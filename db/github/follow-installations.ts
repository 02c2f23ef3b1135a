import type { Knex } from 'knex';
import { type IntegrationStatus, integrationMoves } from '../../domain/integrations/integration-status.ts';
import { sourcesOf } from '../../domain/moves.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import type { Db } from '../store/connection.ts';
import { followPermissions, permissionsMissing } from './follow-permissions.ts';
import { followIntegrationIncidents } from './installation-incidents.ts';

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
  await move(['active', 'degraded'], 'reauth_required', appRejected, (all) =>
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
