import type { Build } from '../../db/builds/builds.ts';
import { commitBuilds, rerunBuild } from '../../db/builds/rerun-build.ts';
import { allDecisions } from '../../db/deliveries/decisions.ts';
import type { PendingDelivery } from '../../db/deliveries/delivery-queue.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import type { Transaction } from '../../db/store/connection.ts';
import type { CheckEvent } from '../../domain/deliveries/github-check-events.ts';
import type { Decided, Subject } from './decide-pipelines.ts';

/**
 * Rebuilds what a person requested at GitHub: the build of one check run, or the latest build of each pipeline for the
 * commit. A repeated delivery creates no second build.
 */
export async function decideReruns(
  trx: Transaction,
  delivery: PendingDelivery,
  event: CheckEvent,
  { installation, repository }: Subject,
): Promise<Decided> {
  const app = await githubAppsIn(trx).find(delivery.githubAppId);
  if (app?.appId !== event.appId) return { status: 'ignored', reason: 'check_of_another_app' };

  const latest = await commitBuilds(trx).lockLatest(repository.id, event.headSha);
  const wanted = latest.filter((build) => build.orgId === installation.orgId && isMeant(build, event));
  if (wanted.length === 0) return { status: 'ignored', reason: 'build_unknown' };
  let builds = 0;
  for (const source of wanted) if (await rerun(trx, delivery, event, source)) builds += 1;
  return { status: 'processed', reason: builds > 0 ? 'builds_created' : 'no_build_rerun' };
}

/**
 * Fairlead wrote the build's ID into the check run. The check run's own ID is known only if the response was not lost.
 */
function isMeant(build: Build, event: CheckEvent): boolean {
  if (event.kind === 'check_suite') return true;
  const { checkRun } = event;
  return build.id === checkRun.externalId && (build.checkRunId ?? checkRun.id) === checkRun.id;
}

/** Writes the decision, with its build if there is one. Returns whether there is one. */
async function rerun(trx: Transaction, delivery: PendingDelivery, event: CheckEvent, source: Build): Promise<boolean> {
  const { orgId, projectId, pipeline } = source;
  const claim = { deliveryId: delivery.id, pipelineId: pipeline.id, orgId, projectId };
  const decisions = allDecisions(trx);
  const actor = `integration:${source.integrationId}`;
  const done = await rerunBuild(trx, source, { createdBy: actor, deliveryId: delivery.id });
  if ('obstacle' in done) {
    await decisions.add({ ...claim, outcome: 'skipped', reason: done.obstacle, buildId: null });
    return false;
  }
  const { build } = done;
  const outcome = build.status === 'blocked' ? 'blocked' : 'build';
  await decisions.add({ ...claim, outcome, reason: build.reason ?? 'rerun_requested', buildId: build.id });
  await appendAudit(trx, {
    orgId,
    projectId,
    actor,
    action: 'build.rerun',
    target: build.id,
    detail: {
      rerun_of: source.id,
      delivery_id: delivery.id,
      ...(event.senderId !== undefined && { github_user_id: event.senderId }),
    },
  });
  return true;
}
