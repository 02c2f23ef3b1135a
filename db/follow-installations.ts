import { type IntegrationStatus, integrationMoves } from '../domain/integration-status.ts';
import { sourcesOf } from '../domain/moves.ts';
import type { Db } from './connection.ts';

const suspended = ['installations.removed_at is null', 'installations.suspended_at is not null'];
const usable = ['installations.removed_at is null', 'installations.suspended_at is null'];
const gone = ['installations.removed_at is not null'];

/**
 * Brings the status of every integration on an App in line with the installation that it is bound to: suspended,
 * gone, or back. One on the operator's App has a single installation.
 */
export async function followInstallations(db: Db, githubAppId: string): Promise<void> {
  const move = async (
    conditions: string[],
    from: IntegrationStatus[],
    to: IntegrationStatus,
    reason: string | null,
  ) => {
    const bound = db('bindings')
      .join('installations', 'installations.id', 'bindings.installation_id')
      .where('installations.github_app_id', githubAppId)
      .whereRaw(conditions.join(' and '))
      .select('bindings.integration_id');
    await db('integrations')
      .whereIn('status', from)
      .whereIn('id', bound)
      .update({ status: to, status_reason: reason, updated_at: Date.now() });
  };
  await move(gone, sourcesOf(integrationMoves, 'disconnected'), 'disconnected', 'installation_gone');
  await move(suspended, sourcesOf(integrationMoves, 'suspended'), 'suspended', 'installation_suspended');
  // What else may be wrong with an integration is not cured by its installation.
  await move(usable, ['disconnected', 'suspended'], 'active', null);
}
