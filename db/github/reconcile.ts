import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import { reconcileWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { type Build, toBuild } from '../builds/builds.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Db, Transaction } from '../store/connection.ts';
import { githubAppsIn } from './github-apps.ts';
import { aboutApps } from './idle-apps.ts';

/** Requests a comparison of each App with GitHub. If a comparison of the App is running, no second one begins. */
export async function requestReconciliations(trx: Transaction): Promise<void> {
  const apps = await githubAppsIn(trx).listInUse();
  await commandsIn(trx).add(
    ...apps.map(
      ({ id, slug }): Command => ({
        action: 'signal_with_start',
        workflow: 'reconcileApp',
        workflowId: reconcileWorkflowId(id),
        signal: 'requested',
        input: { githubAppId: id },
        attributes: { Kind: 'reconcileApp' },
        summary: `Compare the GitHub App ${slug} (${id}) with its settings at GitHub`,
      }),
    ),
  );
}

/** Returns the unfinished builds without news since `before`. Leaves out builds that wait for a person. */
export async function silentBuilds(db: Db, before: number, limit: number): Promise<Build[]> {
  const rows = await db('builds')
    .whereNull('finished_at')
    .whereNotIn('status', ['blocked', 'uncertain'])
    .where('updated_at', '<', before)
    .orderBy('updated_at')
    .limit(limit);
  return rows.map(toBuild);
}

type SilentDeletion = { id: string; orgId: string; projectId: string | null; updatedAt: number };

/** Returns the deletions of integrations without news since `before`. */
export async function silentDeletions(db: Db, before: number): Promise<SilentDeletion[]> {
  const rows = await db('integrations').where({ status: 'deleting' }).where('updated_at', '<', before).orderBy('id');
  return rows.map((row) => ({ id: row.id, orgId: row.org_id, projectId: row.project_id, updatedAt: row.updated_at }));
}

/**
 * Starts a workflow that was lost. If the workflow is running, it gets a signal that it ignores, and no second one
 * starts. The new workflow continues from the stored state.
 */
export async function startAgain(trx: Transaction, command: Command): Promise<void> {
  const waiting = await trx('commands')
    .where({ workflow_id: command.workflowId, status: 'pending' })
    .whereIn('action', ['start', 'signal_with_start'])
    .first('id');
  if (!waiting) await commandsIn(trx).add({ ...command, action: 'signal_with_start', signal: 'nudged' });
}

/** Resolves incidents whose subject no longer exists, because no person can act on them. */
export async function resolveMoot(trx: Transaction): Promise<void> {
  const now = Date.now();
  const gone = trx('integrations').whereIn('status', endedIntegrationStatuses);
  const moot: [IncidentCode[], (ids: string[]) => Promise<{ id: string }[]>][] = [
    [
      ['installation_suspended', 'installation_gone', 'deletion_stuck'],
      (ids) => gone.clone().whereIn('id', ids).select('id'),
    ],
    [
      ['installation_unreadable', 'permissions_missing', 'revocation_unconfirmed'],
      (ids) => trx('installations').whereNotNull('removed_at').whereIn('id', ids).select('id'),
    ],
    [['old_key_still_alive'], (ids) => purgedCredentials(trx, ids)],
    [
      ['dispatch_uncertain', 'build_stuck'],
      (ids) => trx('builds').whereNotNull('finished_at').whereIn('id', ids).select('id'),
    ],
    [
      aboutApps,
      async (ids) => {
        const used = new Set((await githubAppsIn(trx).listInUse()).map(({ id }) => id));
        return ids.filter((id) => !used.has(id)).map((id) => ({ id }));
      },
    ],
  ];
  for (const [codes, among] of moot) {
    const open = () => trx('incidents').where({ status: 'open' }).whereIn('code', codes);
    const subjects = [...new Set((await open().select('subject_id')).map((row) => row.subject_id))];
    for (let from = 0; from < subjects.length; from += 500) {
      const over = await among(subjects.slice(from, from + 500));
      await open()
        .whereIn(
          'subject_id',
          over.map(({ id }) => id),
        )
        .update({ status: 'resolved', resolved_at: now, updated_at: now });
    }
  }
}

/** Returns the credentials that have no version left, because no integration uses their App. */
async function purgedCredentials(db: Db, ids: string[]): Promise<{ id: string }[]> {
  const kept = await db('credential_versions')
    .whereIn('credential_id', ids)
    .whereNot({ status: 'purged' })
    .distinct('credential_id');
  const left = new Set(kept.map(({ credential_id: id }) => id));
  return ids.filter((id) => !left.has(id)).map((id) => ({ id }));
}
