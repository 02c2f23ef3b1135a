import { activityInfo } from '@temporalio/activity';
import type { GitHubBroker } from '../../broker/github/github.ts';
import { endedSince, refusedPart } from '../../db/builds/build-reports.ts';
import { type Release, release, releaseUnlessLast } from '../../db/deletion/bindings.ts';
import { leaveUnseenToPerson, unendedBuilds } from '../../db/deletion/integration-deletion.ts';
import { finishOwners } from '../../db/deletion/owner-deletion.ts';
import { followInstallations } from '../../db/github/follow-installations.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { purgeIdleApp } from '../../db/github/idle-apps.ts';
import { allInstallations } from '../../db/github/installations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import { allOperations } from '../../db/ops/operations.ts';
import { purgeCredentials } from '../../db/secrets/credentials.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import type { IntegrationRow } from '../../db/store/tables.ts';
import type { RevocationOutcome } from '../../domain/deletion/revocation.ts';
import { worstOutcome } from '../../domain/deletion/revocation.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { installationSettingsUrl } from '../../domain/github/github-urls.ts';
import { parts } from '../builds/report-parts.ts';

/** The steps that follow when an integration is cut off. Each step can run twice. */
export function deletionActivities(deps: DeletionDeps) {
  return {
    readDeletion: readDeletion(deps),
    uninstallInstallation: (input: OfInstallation) => uninstall(deps, input),
    giveUpUninstall: giveUpUninstall(deps),
    finishDeletion: finishDeletion(deps),
  };
}

export type DeletionDeps = { database: Database; broker: Pick<GitHubBroker, 'asApp'> };

export type OfInstallation = { integrationId: string; installationId: string };

/** Marks the integration as deleted. Only its existence and the result of the revocation are kept. */
function finishDeletion({ database }: DeletionDeps) {
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
      for (const installationId of await allInstallations(trx).boundIds(integrationId)) {
        await release(trx, { integrationId, installationId });
      }
      await trx('grants').where({ integration_id: integrationId }).delete();
      // The credentials were needed until here to revoke the access.
      const purged = await purgeCredentials(trx, { integration_id: integrationId });
      const ofApp = ended.github_app_id === null ? 0 : await purgeIdleApp(trx, ended.github_app_id);
      await leaveUnseenToPerson(trx);
      await allOperations(trx).finish({ kind: 'delete', subjectId: integrationId });
      await allIncidents(trx).resolveAbout(
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

/**
 * Asks a person to uninstall the App after GitHub has refused or has not responded for a week. `code` names the cause.
 */
function giveUpUninstall({ database }: DeletionDeps) {
  return ({ integrationId, installationId, code }: OfInstallation & { code: string }): Promise<RevocationOutcome> =>
    database.write(async (trx) => {
      const integration = await trx('integrations').where({ id: integrationId }).first();
      const installation = await allInstallations(trx).find(installationId);
      const app = installation && (await githubAppsIn(trx).find(installation.githubAppId));
      await release(trx, { integrationId, installationId });
      if (!integration || !installation || !app) return 'unconfirmed';
      // The webhook about it can have arrived in between.
      if (installation.removedAt !== null) return 'revoked';
      const { accountLogin, targetType, externalId } = installation;
      const { web } = githubHost(app.hostUrl, app.apiUrl);
      const url = installationSettingsUrl(web, {
        organization: targetType === 'User' ? undefined : accountLogin,
        installationId: externalId,
      });
      await allIncidents(trx).raise({
        orgId: integration.org_id,
        projectId: integration.project_id,
        code: 'revocation_unconfirmed',
        subjectId: installation.id,
        title: `GitHub has not confirmed that the App ${app.slug} was uninstalled from ${accountLogin} (${code})`,
        action: 'Uninstall the App at GitHub if it is still installed.',
        link: url,
      });
      return 'unconfirmed';
    });
}

/** Older reports that GitHub refused do not hold up a deletion. */
const recentlyMs = 10 * 60_000;

/**
 * Returns what is left to do: the builds that have not ended or whose end GitHub does not show, and the bound
 * installations.
 */
export function readDeletion({ database }: Pick<DeletionDeps, 'database'>) {
  const { reader } = database;

  async function countUntold(integrationId: string): Promise<number> {
    let untold = 0;
    for (const build of await endedSince(reader, integrationId, Date.now() - recentlyMs)) {
      const refused = await refusedPart(reader, build);
      // One refusal is noted for all parts after it.
      const toTell = parts.slice(0, refused ? parts.findIndex(({ name }) => name === refused) : undefined);
      const due = await Promise.all(toTell.map((part) => part.isDue({ database }, build)));
      if (due.includes(true)) untold += 1;
    }
    return untold;
  }

  return async ({ integrationId }: { integrationId: string }): Promise<{ builds: number; installations: string[] }> => {
    const builds = await unendedBuilds(reader, integrationId).select('id');
    const bound = await reader('bindings').where({ integration_id: integrationId }).orderBy('installation_id');
    const untold = await countUntold(integrationId);
    return { builds: builds.length + untold, installations: bound.map(({ installation_id: id }) => id) };
  };
}

/**
 * Releases an installation, and uninstalls the App if no other integration uses it. A transaction decides who is last,
 * so only one of two parallel deletions asks GitHub.
 */
async function uninstall(deps: DeletionDeps, of: OfInstallation): Promise<RevocationOutcome> {
  const { database, broker } = deps;
  const integration = await database.reader('integrations').where({ id: of.integrationId }).first();
  if (!integration) return 'none';
  const keeps = integration.revocation === 'never';
  const found = await database.write(async (trx) => {
    const left = await releaseUnlessLast(trx, of, integration.revocation === 'always');
    if (keeps && left.step === 'last') await release(trx, of);
    return left;
  });
  if (found.step !== 'last') return outcomeWithout(found, keeps);
  if (keeps) return 'retained';

  const { installation } = found;
  const again = activityInfo().attempt > 1;
  const known = installation.removedAt !== null;
  // GitHub never reuses the number of an installation, so a removed installation stays removed.
  const there = known
    ? false
    : await (await broker.asApp(installation.githubAppId)).deleteInstallation(installation.externalId);
  // An earlier attempt whose response was lost can have removed it.
  const outcome = there || again ? 'revoked' : 'already_gone';
  await database.write((trx) => remember(trx, integration, of, outcome));
  return outcome;
}

/** Returns the outcome if this attempt or an earlier one has already released the installation. */
function outcomeWithout({ step, installation }: Release, keeps: boolean): RevocationOutcome {
  if (keeps) return 'retained';
  if (step === 'unbound' && (!installation || installation.removedAt !== null)) return 'revoked';
  return 'retained_shared';
}

async function remember(
  trx: Transaction,
  { org_id: orgId, project_id: projectId, id: integrationId }: IntegrationRow,
  of: OfInstallation,
  outcome: RevocationOutcome,
): Promise<void> {
  const installations = allInstallations(trx);
  const installation = await installations.find(of.installationId);
  if (!installation) return;
  await installations.markRemoved(installation.githubAppId, installation.externalId);
  await release(trx, of);
  // Other integrations on this installation have lost access too, and must show it.
  await followInstallations(trx, installation.githubAppId);
  await appendAudit(trx, {
    orgId,
    projectId,
    actor: 'system',
    action: 'installation.uninstalled',
    target: installation.id,
    detail: { integration: integrationId, outcome },
  });
}
