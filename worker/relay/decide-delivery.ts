import { appendAudit } from '../../db/audit.ts';
import { recordRun } from '../../db/build-runs.ts';
import { createBuild } from '../../db/builds.ts';
import { type Candidate, eventSubjects } from '../../db/candidates.ts';
import type { Transaction } from '../../db/connection.ts';
import { decisionsIn } from '../../db/decisions.ts';
import type { DeliveryOutcome, PendingDelivery } from '../../db/delivery-queue.ts';
import type { InstallationRow, RepositoryRow } from '../../db/tables.ts';
import { everything } from '../../db/tenant.ts';
import type {
  GitHubEvent,
  InstallationEvent,
  PullRequestEvent,
  PushEvent,
  WorkflowRunEvent,
} from '../../domain/github-events.ts';
import { readGitHubEvent } from '../../domain/github-events.ts';
import { usableIntegrationStatuses } from '../../domain/integration-status.ts';
import { type Decision, decide } from '../../domain/triggers.ts';

export type RepositoryEvent = Extract<GitHubEvent, { kind: 'repository' }>;

/** What keeps our rows of installations and repositories true. */
export type InstallationAppliers = {
  applyInstallationEvent(
    trx: Transaction,
    githubAppId: string,
    event: InstallationEvent | RepositoryEvent,
  ): Promise<void>;
  requestSync(trx: Transaction, githubAppId: string): Promise<void>;
};

type BuildingEvent = PushEvent | PullRequestEvent;
type Subject = { installation: InstallationRow; repository: RepositoryRow };

/**
 * Decides one delivery: everything that follows from it is written in this transaction, with a reason for every
 * pipeline that was looked at.
 */
export async function decideDelivery(
  trx: Transaction,
  delivery: PendingDelivery,
  appliers: InstallationAppliers,
): Promise<DeliveryOutcome> {
  const event = readEvent(delivery);
  const about = factsOf(event);
  switch (event.kind) {
    case 'ping':
      return { ...about, status: 'ignored', reason: 'ping' };
    case 'ignored':
      return { ...about, status: 'ignored', reason: event.reason };
    case 'ref':
      return { ...about, status: 'ignored', reason: 'ref_event' };
    case 'malformed':
      return { ...about, status: 'failed', reason: 'payload_malformed' };
    case 'installation':
    case 'installation_repositories':
    case 'installation_target':
    case 'repository':
      return { ...about, ...(await applyChange(trx, delivery, event, appliers)) };
    case 'workflow_run':
    case 'push':
    case 'pull_request':
      return { ...about, ...(await decideForSubject(trx, delivery, event, appliers)) };
  }
}

function readEvent({ event, body }: PendingDelivery): GitHubEvent {
  let payload: unknown;
  try {
    payload = JSON.parse(body.toString('utf8'));
  } catch {
    return { kind: 'malformed', reason: 'the body is not JSON' };
  }
  return readGitHubEvent(event, payload);
}

function factsOf(event: GitHubEvent) {
  return {
    action: 'action' in event ? event.action : undefined,
    installationExternalId: 'installationId' in event ? event.installationId : undefined,
    repositoryExternalId: 'repositoryId' in event ? event.repositoryId : undefined,
  };
}

async function applyChange(
  trx: Transaction,
  { githubAppId }: PendingDelivery,
  event: InstallationEvent | RepositoryEvent,
  { applyInstallationEvent, requestSync }: InstallationAppliers,
): Promise<DeliveryOutcome> {
  await applyInstallationEvent(trx, githubAppId, event);
  // What the event says may be old by now: the sync asks.
  await requestSync(trx, githubAppId);
  const { installationId } = event;
  const installation =
    installationId === undefined ? undefined : await eventSubjects(trx).installation(githubAppId, installationId);
  return { status: 'processed', reason: 'sync_requested', orgId: installation?.org_id ?? undefined };
}

async function decideForSubject(
  trx: Transaction,
  delivery: PendingDelivery,
  event: BuildingEvent | WorkflowRunEvent,
  appliers: InstallationAppliers,
): Promise<DeliveryOutcome> {
  const subject = await subjectOf(trx, delivery, event);
  if (typeof subject === 'string') {
    if (subject !== 'installation_missing') await appliers.requestSync(trx, delivery.githubAppId);
    return { status: 'ignored', reason: subject };
  }
  const { installation, repository } = subject;
  const orgId = installation.org_id ?? undefined;
  if (!orgId) return { status: 'ignored', reason: 'installation_unbound' };
  if (event.kind !== 'workflow_run') return { orgId, ...(await decidePipelines(trx, delivery, event, subject)) };

  const { runId, runAttempt, status, conclusion = null, htmlUrl: url, displayTitle } = event;
  const run = { repositoryId: repository.id, runId, runAttempt, status, conclusion, url, displayTitle };
  const known = await recordRun(trx, run);
  if (known) return { orgId, status: 'processed', reason: 'run_recorded' };
  return { orgId, status: 'ignored', reason: 'run_unknown' };
}

/**
 * Our rows of what the event names, or why there are none. A signature proves only that the App's host sent it: the
 * repository must be one that this very installation reaches.
 */
async function subjectOf(
  trx: Transaction,
  { id, githubAppId }: PendingDelivery,
  event: BuildingEvent | WorkflowRunEvent,
): Promise<Subject | string> {
  if (event.installationId === undefined) return 'installation_missing';
  const subjects = eventSubjects(trx);
  const installation = await subjects.installation(githubAppId, event.installationId);
  if (!installation || installation.removed_at !== null) return 'installation_unknown';
  const repository = await subjects.repository(githubAppId, event.repositoryId);
  if (!repository) return 'repository_unknown';
  if (repository.installation_id !== installation.id) {
    await appendAudit(trx, {
      orgId: (await subjects.orgOf(repository.installation_id)) ?? null,
      actor: 'system',
      action: 'delivery.refused',
      target: id,
      outcome: 'refused',
      detail: { reason: 'installation_mismatch', repository_id: repository.id },
    });
    return 'installation_mismatch';
  }
  if (repository.removed_at !== null) return 'repository_removed';
  return { installation, repository };
}

async function decidePipelines(
  trx: Transaction,
  delivery: PendingDelivery,
  event: BuildingEvent,
  { installation, repository }: Subject,
): Promise<DeliveryOutcome> {
  const candidates = await eventSubjects(trx).candidates(repository.id, installation.id);
  if (candidates.length === 0) return { status: 'ignored', reason: 'no_pipeline' };
  let builds = 0;
  const unusable: string[] = [];
  for (const candidate of candidates) {
    const obstacle = obstacleOf(candidate);
    if (obstacle) unusable.push(obstacle);
    const decision = obstacle ?? decide(toTriggers(candidate), event);
    if (await write(trx, { delivery, repository, candidate, decision })) builds += 1;
  }
  if (unusable.length === candidates.length) return { status: 'ignored', reason: unusable[0] ?? '' };
  return { status: 'processed', reason: builds > 0 ? 'builds_created' : 'no_pipeline_matched' };
}

function toTriggers({ pipeline: { enabled, events, branches, tags }, autoDeploy }: Candidate) {
  return { enabled, appAutoDeploy: autoDeploy, triggers: { events, branches, tags } };
}

/** Why nothing is built through the app's integration, whatever the event is. */
function obstacleOf({ integrationStatus, bound }: Candidate): string | undefined {
  if (integrationStatus === 'deleting') return 'integration_deleted';
  if (!usableIntegrationStatuses.includes(integrationStatus)) return `integration_${integrationStatus}`;
  return bound ? undefined : 'integration_unbound';
}

/** Writes the decision down, with its build where there is one; answers whether there is. */
async function write(
  trx: Transaction,
  {
    delivery,
    repository,
    candidate: { pipeline, integrationId },
    decision,
  }: { delivery: PendingDelivery; repository: RepositoryRow; candidate: Candidate; decision: Decision | string },
): Promise<boolean> {
  const { id: pipelineId, orgId, projectId, appId } = pipeline;
  const claim = { deliveryId: delivery.id, pipelineId, orgId, projectId };
  const decisions = decisionsIn(trx, everything);
  if (typeof decision === 'string' || decision.outcome === 'skipped') {
    const reason = typeof decision === 'string' ? decision : decision.reason;
    await decisions.add({ ...claim, outcome: 'skipped', reason, buildId: null });
    return false;
  }
  const { outcome, reason } = decision;
  const actor = `integration:${integrationId}`;
  const build = await createBuild(trx, {
    ...decision.build,
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
  await decisions.add({ ...claim, outcome, reason, buildId: build.id });
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
