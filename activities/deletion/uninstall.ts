import { activityInfo } from '@temporalio/activity';
import { type Release, release, releaseUnlessLast } from '../../db/deletion/bindings.ts';
import { followInstallations } from '../../db/github/follow-installations.ts';
import { installationsIn } from '../../db/github/installations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import type { Transaction } from '../../db/store/connection.ts';
import type { IntegrationRow } from '../../db/store/tables.ts';
import { everything } from '../../db/store/tenant.ts';
import type { RevocationOutcome } from '../../domain/deletion/revocation.ts';
import type { DeletionDeps, OfInstallation } from './deps.ts';

/**
 * Lets go of an installation, and uninstalls the App there where nobody else uses it. Who is the last is decided in
 * a transaction, so that of two who let go at once exactly one asks GitHub.
 */
export async function uninstall(deps: DeletionDeps, of: OfInstallation): Promise<RevocationOutcome> {
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
  // GitHub's number is given to no other installation: one that is gone stays gone.
  const there = known
    ? false
    : await (await broker.asApp(installation.githubAppId)).deleteInstallation(installation.externalId);
  // An attempt whose answer was lost may well be what has removed it.
  const outcome = there || again ? 'revoked' : 'already_gone';
  await database.write((trx) => remember(trx, integration, of, outcome));
  return outcome;
}

/** It was let go of by this attempt, or by one before it. */
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
  const installations = installationsIn(trx, everything);
  const installation = await installations.find(of.installationId);
  if (!installation) return;
  await installations.markRemoved(installation.githubAppId, installation.externalId);
  await release(trx, of);
  // Whoever else was bound to it is cut off as well, and shows it.
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
