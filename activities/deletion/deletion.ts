import { activityInfo } from '@temporalio/activity';
import type { GitHubBroker } from '../../broker/github/github.ts';
import { endedSince, refusedPart } from '../../db/builds/build-reports.ts';
import { type Release, release, releaseUnlessLast } from '../../db/deletion/bindings.ts';
import { endDeletion } from '../../db/deletion/deletion-end.ts';
import { countUnended, type DeletableIntegration, findEvenDeleted } from '../../db/deletion/integration-deletion.ts';
import { followInstallations } from '../../db/github/follow-installations.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations } from '../../db/github/installations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import type { Database, Db, Transaction } from '../../db/store/connection.ts';
import { everything } from '../../db/store/tenant.ts';
import type { RevocationOutcome } from '../../domain/deletion/revocation.ts';
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
    database.write((trx) => endDeletion(trx, integrationId, outcomes));
}

/**
 * Asks a person to uninstall the App after GitHub has refused or has not responded for a week. `code` names the cause.
 */
function giveUpUninstall({ database }: DeletionDeps) {
  return ({ integrationId, installationId, code }: OfInstallation & { code: string }): Promise<RevocationOutcome> =>
    database.write(async (trx) => {
      const integration = await findDeleting(trx, integrationId);
      if (!integration) return 'none';
      const installation = await allInstallations(trx).find(installationId);
      const app = installation && (await githubAppsIn(trx).find(installation.githubAppId));
      await release(trx, { integrationId, installationId });
      if (!installation || !app) return 'unconfirmed';
      // The webhook about it can have arrived in between.
      if (installation.removedAt !== null) return 'revoked';
      const { accountLogin, targetType, externalId } = installation;
      const { web } = githubHost(app.hostUrl, app.apiUrl);
      const url = installationSettingsUrl(web, {
        organization: targetType === 'User' ? undefined : accountLogin,
        installationId: externalId,
      });
      await allIncidents(trx).raise({
        orgId: integration.orgId,
        projectId: integration.projectId,
        code: 'revocation_unconfirmed',
        subjectId: installation.id,
        title: `GitHub has not confirmed that the App ${app.slug} was uninstalled from ${accountLogin} (${code})`,
        action: 'Uninstall the App at GitHub if it is still installed.',
        link: url,
      });
      return 'unconfirmed';
    });
}

/**
 * Returns the integration if its owner has deleted it and the deletion is still running. Prevents an attacker who
 * reaches Temporal from deleting another integration with this workflow.
 */
async function findDeleting(db: Db, integrationId: string): Promise<DeletableIntegration | undefined> {
  const integration = await findEvenDeleted(db, everything, integrationId);
  return integration?.status === 'deleting' ? integration : undefined;
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
    if (!(await findDeleting(reader, integrationId))) return { builds: 0, installations: [] };
    const builds = await countUnended(reader, integrationId);
    const installations = await allInstallations(reader).boundIds(integrationId);
    const untold = await countUntold(integrationId);
    return { builds: builds + untold, installations };
  };
}

/**
 * Releases an installation, and uninstalls the App if no other integration uses it. A transaction decides who is last,
 * so only one of two parallel deletions asks GitHub.
 */
async function uninstall(deps: DeletionDeps, of: OfInstallation): Promise<RevocationOutcome> {
  const { database, broker } = deps;
  const integration = await findDeleting(database.reader, of.integrationId);
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
  { orgId, projectId, id: integrationId }: DeletableIntegration,
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
