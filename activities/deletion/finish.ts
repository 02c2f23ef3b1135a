import { release } from '../../db/deletion/bindings.ts';
import { finishOwners } from '../../db/deletion/owner-deletion.ts';
import { leaveUnseenToPerson } from '../../db/deletion/unconfirmed-revocations.ts';
import { purgeIdleApp } from '../../db/github/idle-apps.ts';
import { installationsIn } from '../../db/github/installations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import { incidentsIn } from '../../db/ops/incidents.ts';
import { operationsIn } from '../../db/ops/operations.ts';
import { purgeCredentials } from '../../db/secrets/purge-credentials.ts';
import { everything } from '../../db/store/tenant.ts';
import { type RevocationOutcome, worstOutcome } from '../../domain/deletion/revocation.ts';
import type { DeletionDeps } from './deps.ts';

/** The end: what is left of the integration says only that there was one, and what became of it at the provider. */
export function finishDeletion({ database }: DeletionDeps) {
  return ({ integrationId, outcomes }: { integrationId: string; outcomes: RevocationOutcome[] }): Promise<void> =>
    database.write(async (trx) => {
      const outcome = worstOutcome(outcomes);
      const now = Date.now();
      const [ended] = await trx('integrations')
        .where({ id: integrationId, status: 'deleting' })
        .update({
          status: 'deleted',
          revocation_outcome: outcome,
          deleted_at: now,
          revision: trx.raw('revision + 1') as unknown as number,
          updated_at: now,
        })
        .returning('*');
      if (!ended) return;
      for (const installationId of await installationsIn(trx, everything).boundIds(integrationId)) {
        await release(trx, { integrationId, installationId });
      }
      await trx('grants').where({ integration_id: integrationId }).delete();
      // Last of all: until here they were needed to revoke what they had given access to.
      const purged = await purgeCredentials(trx, { integration_id: integrationId });
      const ofApp = ended.github_app_id === null ? 0 : await purgeIdleApp(trx, ended.github_app_id);
      await leaveUnseenToPerson(trx);
      await operationsIn(trx, everything).finish({ kind: 'delete', subjectId: integrationId });
      await incidentsIn(trx, everything).resolveAbout(
        integrationId,
        'deletion_stuck',
        'installation_suspended',
        'installation_gone',
        'registry_refused',
        'credential_expiring',
      );
      await appendAudit(trx, {
        orgId: ended.org_id,
        projectId: ended.project_id,
        actor: 'system',
        action: 'integration.deleted',
        target: integrationId,
        outcome: outcome === 'unconfirmed' ? 'failed' : 'succeeded',
        detail: { revocation: ended.revocation, outcome, installations: outcomes.length, purged: purged + ofApp },
      });
      await finishOwners(trx, ended);
    });
}
