import { createBuild } from '../../db/builds/builds.ts';
import { allDecisions } from '../../db/deliveries/decisions.ts';
import type { DeliveryOutcome, PendingDelivery } from '../../db/deliveries/delivery-queue.ts';
import type {
  Candidate,
  EventInstallation,
  EventRepository,
  EventSubjects,
} from '../../db/deliveries/event-subjects.ts';
import { integrationDeleted, isDeletedStatus } from '../../db/integrations/usable-integrations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { type Decision, decide } from '../../domain/builds/triggers.ts';
import { staleReasons } from '../../domain/deliveries/delivery-status.ts';
import type { PullRequestEvent, PushEvent } from '../../domain/deliveries/github-events.ts';
import { usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';

export type Subject = { installation: EventInstallation; repository: EventRepository };

/** A commit message can be very long, so only this much of it is stored. */
const longestMessage = 1_000;

/** Decides every pipeline whose app has this repository as its source, and writes each decision with its reason. */
export async function decidePipelines(
  { trx, subjects }: { trx: Transaction; subjects: EventSubjects },
  delivery: PendingDelivery,
  event: PushEvent | PullRequestEvent,
  { installation, repository }: Subject,
): Promise<Decided> {
  const candidates = await subjects.candidates(repository.id, installation.id);
  if (candidates.length === 0) return { status: 'ignored', reason: 'no_pipeline' };
  const obstacles = candidates.map(obstacleOf);
  // If others still use the installation, a build through a deleted integration is created and fails.
  if (obstacles.includes(integrationDeleted) && (await subjects.isUsed(installation.id))) {
    for (const [index, obstacle] of obstacles.entries()) {
      if (obstacle === integrationDeleted) obstacles[index] = undefined;
    }
  }

  async function writeAll(): Promise<number> {
    let builds = 0;
    for (const [index, candidate] of candidates.entries()) {
      const decision = obstacles[index] ?? decide(toTriggers(candidate), event);
      if (await write(trx, { delivery, repository, candidate, decision })) builds += 1;
    }
    return builds;
  }

  if (obstacles.includes(undefined)) {
    return { status: 'processed', reason: (await writeAll()) > 0 ? 'builds_created' : 'no_pipeline_matched' };
  }
  // A usable integration is never held up by one that can become usable.
  const stale = obstacles.find((obstacle) => obstacle && staleReasons.includes(obstacle));
  return {
    status: 'ignored',
    reason: stale ?? obstacles[0] ?? '',
    ...(stale !== undefined && {
      overtakes: { installation: `${delivery.githubAppId} ${event.installationId}`, isBound: true },
    }),
    async conclude() {
      await writeAll();
    },
  };
}

function toTriggers({ pipeline: { enabled, events, branches, tags }, autoDeploy }: Candidate) {
  return { enabled, appAutoDeploy: autoDeploy, triggers: { events, branches, tags } };
}

/** Returns why nothing is built through the app's integration, for any event. */
function obstacleOf({ integrationStatus, granted, bound }: Candidate): string | undefined {
  if (isDeletedStatus(integrationStatus)) return integrationDeleted;
  if (!granted) return 'integration_not_granted';
  if (!usableIntegrationStatuses.includes(integrationStatus)) return `integration_${integrationStatus}`;
  return bound ? undefined : 'integration_unbound';
}

/** Writes the decision, with its build if there is one. Returns whether there is one. */
async function write(
  trx: Transaction,
  {
    delivery,
    repository,
    candidate: { pipeline, integrationId },
    decision,
  }: { delivery: PendingDelivery; repository: EventRepository; candidate: Candidate; decision: Decision | string },
): Promise<boolean> {
  const { id: pipelineId, orgId, projectId, appId } = pipeline;
  const claim = { deliveryId: delivery.id, pipelineId, orgId, projectId };
  const decisions = allDecisions(trx);
  if (typeof decision === 'string' || decision.outcome === 'skipped') {
    const reason = typeof decision === 'string' ? decision : decision.reason;
    await decisions.add({ ...claim, outcome: 'skipped', reason, buildId: null });
    return false;
  }
  const { outcome, reason } = decision;
  const actor = `integration:${integrationId}`;
  const build = await createBuild(trx, {
    ...decision.build,
    message: decision.build.message?.slice(0, longestMessage),
    orgId,
    projectId,
    appId,
    pipeline,
    integrationId,
    repositoryId: repository.id,
    status: outcome === 'blocked' ? 'blocked' : 'queued',
    ...(outcome === 'blocked' && { reason }),
    deliveryId: delivery.id,
    createdBy: actor,
  });
  const why = build.status === 'failed' ? (build.reason ?? reason) : reason;
  await decisions.add({ ...claim, outcome, reason: why, buildId: build.id });
  await appendAudit(trx, {
    orgId,
    projectId,
    actor,
    action: 'build.triggered',
    target: build.id,
    detail: { delivery_id: delivery.id, pipeline_id: pipelineId, status: build.status },
  });
  return true;
}

/** The installation that a waiting delivery belongs to, and whether an organization has claimed it. */
export type Waiter = { installation: string; isBound: boolean };

export type Decided = DeliveryOutcome & {
  /** Set if the subject is not known yet, but can become known after a sync. */
  overtakes?: Waiter;
  /** Writes the result of this outcome, unless the delivery waits for another one. */
  conclude?(): Promise<void>;
};
