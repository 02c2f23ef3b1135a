import type { PullRequestEvent, PushEvent } from '../deliveries/github-events.ts';
import type { triggerReasons } from './build-reasons.ts';
import { matchesGlobs } from './glob.ts';
import { skipMarker } from './skip-markers.ts';

export const triggerEvents = ['push', 'tag', 'pull_request', 'manual'] as const;
export type TriggerEvent = (typeof triggerEvents)[number];

export type Triggers = { events: readonly TriggerEvent[]; branches: readonly string[]; tags: readonly string[] };

/** The reason why a pipeline builds an event or skips it. Every decision stores one. */
export type DecisionReason = (typeof triggerReasons)[number];

export type BuildRequest = {
  event: TriggerEvent;
  ref: string;
  refName: string;
  sha: string;
  /** The full ref for the dispatch. A short name could mean another branch or a tag. */
  dispatchRef: string;
  /** The ref that the workflow builds. */
  fairleadRef: string;
  pullRequest?: number;
  fork: boolean;
  message?: string;
};

export type Decision =
  | { outcome: 'build' | 'blocked'; reason: DecisionReason; build: BuildRequest }
  | { outcome: 'skipped'; reason: DecisionReason };

/** The actions that bring new code. Other actions change only a pull request's description. */
const buildingActions = ['opened', 'reopened', 'synchronize'];

/**
 * Decides whether this pipeline builds this event. Stores the first reason against it, in this order: pipeline, app,
 * event, action or deletion, branch or tag, skip marker. The pull request of a fork is never dispatched automatically,
 * because it runs unapproved code. Its build is blocked.
 */
export function decide(
  pipeline: { enabled: boolean; triggers: Triggers; appAutoDeploy: boolean },
  event: PushEvent | PullRequestEvent,
): Decision {
  if (!pipeline.enabled) return skipped('pipeline_disabled');
  if (!pipeline.appAutoDeploy) return skipped('auto_deploy_off');
  return event.kind === 'push' ? decidePush(pipeline.triggers, event) : decidePullRequest(pipeline.triggers, event);
}

function decidePush({ events, branches, tags }: Triggers, event: PushEvent): Decision {
  const isTag = event.refType === 'tag';
  const trigger = isTag ? 'tag' : 'push';
  if (!events.includes(trigger)) return skipped('event_not_selected');
  if (event.deleted) return skipped('ref_deleted');
  if (isTag && !matchesGlobs(tags, event.refName)) return skipped('tag_not_matched');
  if (!isTag && !matchesGlobs(branches, event.refName)) return skipped('branch_not_matched');
  if (skipMarker(event.message)) return skipped('skip_marker');
  return {
    outcome: 'build',
    reason: 'matched',
    build: {
      event: trigger,
      ref: event.ref,
      refName: event.refName,
      sha: event.headSha,
      dispatchRef: event.ref,
      fairleadRef: event.ref,
      fork: false,
      ...(event.message !== undefined && { message: event.message }),
    },
  };
}

function decidePullRequest({ events, branches }: Triggers, event: PullRequestEvent): Decision {
  if (!events.includes('pull_request')) return skipped('event_not_selected');
  if (!buildingActions.includes(event.action)) return skipped('action_not_building');
  if (!matchesGlobs(branches, event.baseRef)) return skipped('branch_not_matched');
  const pullRef = `refs/pull/${event.number}/head`;
  const build: BuildRequest = {
    event: 'pull_request',
    ref: pullRef,
    refName: event.headRef,
    sha: event.headSha,
    // A fork's branch is not in this repository. Its commits are available under the pull request's ref.
    dispatchRef: `refs/heads/${event.fork ? event.baseRef : event.headRef}`,
    fairleadRef: event.fork ? pullRef : `refs/heads/${event.headRef}`,
    pullRequest: event.number,
    fork: event.fork,
    ...(event.title !== undefined && { message: event.title }),
  };
  return event.fork
    ? { outcome: 'blocked', reason: 'fork_pull_request', build }
    : { outcome: 'build', reason: 'matched', build };
}

function skipped(reason: DecisionReason): Decision {
  return { outcome: 'skipped', reason };
}
