import { recordRun } from '../../db/builds/build-runs.ts';
import { applyAuthorizationEvent } from '../../db/connect/apply-authorization-event.ts';
import type { DeliveryOutcome, PendingDelivery } from '../../db/deliveries/delivery-queue.ts';
import { type EventSubjects, eventSubjects } from '../../db/deliveries/event-subjects.ts';
import { applyInstallationEvent } from '../../db/github/apply-installation-event.ts';
import { requestSync } from '../../db/github/installations.ts';
import { requestRefresh } from '../../db/github/refresh-installation.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { bodyMissing, staleReasons } from '../../domain/deliveries/delivery-status.ts';
import type { CheckEvent } from '../../domain/deliveries/github-check-events.ts';
import type {
  AuthorizationEvent,
  GitHubEvent,
  InstallationEvent,
  PullRequestEvent,
  PushEvent,
  WorkflowRunEvent,
} from '../../domain/deliveries/github-events.ts';
import { type Decided, decidePipelines, type Subject, type Waiter } from './decide-pipelines.ts';
import { decideReruns } from './decide-reruns.ts';
import { isDecidedHead, noteHead } from './heads.ts';

type RepositoryEvent = Extract<GitHubEvent, { kind: 'repository' }>;

/** What the deliveries of one transaction share. */
export type Deciding = {
  trx: Transaction;
  subjects: EventSubjects;
  requestSync(githubAppId: string): Promise<void>;
};

/**
 * Decides deliveries within one transaction. Every result of a delivery is written in it, with a reason for each
 * pipeline. Shared lookups are done once.
 */
export function deliveryDecider(trx: Transaction): (delivery: PendingDelivery, event: GitHubEvent) => Promise<Decided> {
  const asked = new Set<string>();
  const deciding: Deciding = {
    trx,
    subjects: eventSubjects(trx),
    async requestSync(githubAppId) {
      if (asked.has(githubAppId)) return;
      asked.add(githubAppId);
      await requestSync(trx, githubAppId);
    },
  };
  return (delivery, event) => decideDelivery(deciding, delivery, event);
}

async function decideDelivery(deciding: Deciding, delivery: PendingDelivery, event: GitHubEvent): Promise<Decided> {
  const about = factsOf(event);
  switch (event.kind) {
    case 'ping':
      return { ...about, status: 'ignored', reason: 'ping' };
    case 'ignored':
      return { ...about, status: 'ignored', reason: event.reason };
    case 'malformed':
      return { ...about, status: 'failed', reason: 'payload_malformed' };
    case 'body_missing':
      return { ...about, status: 'failed', reason: bodyMissing };
    case 'installation':
    case 'installation_repositories':
    case 'installation_target':
    case 'repository':
      return { ...about, ...(await applyChange(deciding, delivery, event)) };
    case 'github_app_authorization':
      return { ...about, ...(await applyAuthorization(deciding.trx, delivery, event)) };
    case 'workflow_run':
    case 'push':
    case 'pull_request':
    case 'check_run':
    case 'check_suite':
      return { ...about, ...(await decideForSubject(deciding, delivery, event)) };
  }
}

function factsOf(event: GitHubEvent) {
  return {
    action: 'action' in event ? event.action : undefined,
    installationExternalId: 'installationId' in event ? event.installationId : undefined,
    repositoryExternalId: 'repositoryId' in event ? event.repositoryId : undefined,
  };
}

/** Only the person's open flows are stored, and they end here. */
async function applyAuthorization(
  trx: Transaction,
  { githubAppId }: PendingDelivery,
  { action, githubUserId }: AuthorizationEvent,
): Promise<DeliveryOutcome> {
  if (action !== 'revoked') return { status: 'ignored', reason: 'event_not_consumed' };
  const ended = await applyAuthorizationEvent(trx, githubAppId, githubUserId);
  return { status: 'processed', reason: ended > 0 ? 'flows_ended' : 'nothing_kept' };
}

async function applyChange(
  { trx, subjects, requestSync }: Deciding,
  { id, githubAppId }: PendingDelivery,
  event: InstallationEvent | RepositoryEvent,
): Promise<DeliveryOutcome> {
  await applyInstallationEvent(trx, githubAppId, event);
  const { installationId } = event;
  // The event can be outdated, so its subject is read at once, and then a sync reads everything.
  if (installationId !== undefined) {
    await requestRefresh(trx, id, { githubAppId, installation: installationId, repositories: repositoriesOf(event) });
  }
  await requestSync(githubAppId);
  subjects.forget();
  const installation =
    installationId === undefined ? undefined : await subjects.installation(githubAppId, installationId);
  return { status: 'processed', reason: 'sync_requested', orgId: installation?.orgId ?? undefined };
}

function repositoriesOf(event: InstallationEvent | RepositoryEvent): number[] {
  if (event.kind === 'repository') return [event.repositoryId];
  return [...event.addedRepositoryIds, ...event.removedRepositoryIds];
}

async function decideForSubject(
  deciding: Deciding,
  delivery: PendingDelivery,
  event: PushEvent | PullRequestEvent | WorkflowRunEvent | CheckEvent,
): Promise<Decided> {
  const subject = await subjectOf(deciding, delivery, event);
  if (typeof subject === 'string') {
    if (subject !== 'installation_missing') await deciding.requestSync(delivery.githubAppId);
    const waiter = staleReasons.includes(subject) && (await waiterOf(deciding, delivery, event));
    return { status: 'ignored', reason: subject, ...(waiter && { overtakes: waiter }) };
  }
  const { installation, repository } = subject;
  const orgId = installation.orgId ?? undefined;
  // No sync is requested, because a person binds the installation.
  if (!orgId) {
    return { status: 'ignored', reason: 'installation_unbound', overtakes: await waiterOf(deciding, delivery, event) };
  }
  if (event.kind === 'check_run' || event.kind === 'check_suite') {
    return { orgId, ...(await decideReruns(deciding.trx, delivery, event, subject)) };
  }
  if (event.kind !== 'workflow_run') {
    if (await isDecidedHead(deciding.trx, delivery, event, repository.id)) {
      return { orgId, status: 'ignored', reason: 'head_already_decided' };
    }
    const decided = await decidePipelines(deciding, delivery, event, subject);
    if (decided.overtakes) await deciding.requestSync(delivery.githubAppId);
    else if (decided.reason !== 'no_pipeline') await noteHead(deciding.trx, delivery, event, repository.id);
    return { orgId, ...decided };
  }

  const { runId, runAttempt, status, conclusion = null, htmlUrl: url, displayTitle } = event;
  // Only a dispatched run can name its build. Anyone can write the titles of other runs.
  const title = event.event === 'workflow_dispatch' ? displayTitle : '';
  const run = { repositoryId: repository.id, runId, runAttempt, status, conclusion, url, displayTitle: title };
  const known = await recordRun(deciding.trx, run);
  if (known) return { orgId, status: 'processed', reason: 'run_recorded' };
  return { orgId, status: 'ignored', reason: 'run_unknown' };
}

/** Returns the installation that the delivery waits for. It counts as unbound if it is unknown or removed. */
async function waiterOf(
  { subjects }: Deciding,
  { githubAppId }: PendingDelivery,
  { installationId = 0 }: { installationId?: number },
): Promise<Waiter> {
  const installation = await subjects.installation(githubAppId, installationId);
  const isBound = installation !== undefined && installation.orgId !== null && !installation.isRemoved;
  return { installation: `${githubAppId} ${installationId}`, isBound };
}

/**
 * Returns our rows of the event's subject, or why there are none. A signature proves only that the App's host sent the
 * event. So the repository must be reachable through this installation.
 */
async function subjectOf(
  { trx, subjects }: Deciding,
  { id, githubAppId }: PendingDelivery,
  event: PushEvent | PullRequestEvent | WorkflowRunEvent | CheckEvent,
): Promise<Subject | string> {
  if (event.installationId === undefined) return 'installation_missing';
  const installation = await subjects.installation(githubAppId, event.installationId);
  if (!installation || installation.isRemoved) return 'installation_unknown';
  const repository = await subjects.repository(githubAppId, event.repositoryId);
  if (!repository) return 'repository_unknown';
  if (repository.installationId !== installation.id) {
    await appendAudit(trx, {
      orgId: (await subjects.orgOf(repository.installationId)) ?? null,
      actor: 'system',
      action: 'delivery.refused',
      target: id,
      outcome: 'refused',
      detail: { reason: 'installation_mismatch', repository_id: repository.id },
    });
    return 'installation_mismatch';
  }
  if (repository.isRemoved) return 'repository_removed';
  return { installation, repository };
}
