import { integrationStatuses, usableIntegrationStatuses } from '../integrations/integration-status.ts';

/** The reasons that a trigger gives for building an event or skipping it. */
export const triggerReasons = [
  'matched',
  'fork_pull_request',
  'pipeline_disabled',
  'auto_deploy_off',
  'event_not_selected',
  'action_not_building',
  'ref_deleted',
  'branch_not_matched',
  'tag_not_matched',
  'skip_marker',
] as const;

/** The reasons why a build cannot be rerun. */
export const rerunObstacles = [
  'build_not_over',
  'pipeline_deleted',
  'app_deleted',
  'pipeline_disabled',
  'integration_not_granted',
] as const;

/** `integration_suspended` and so on: one for each status in which an integration builds nothing. */
const unusable = integrationStatuses
  .filter((status) => !usableIntegrationStatuses.includes(status))
  .map((status) => `integration_${status}` as const);

/** The reasons in a delivery's decision about one pipeline. */
export const decisionReasons = [
  ...triggerReasons,
  ...rerunObstacles,
  ...unusable,
  'integration_unbound',
  'rerun_requested',
] as const;

/** The reasons for the end of a build that has been sent to GitHub. */
const runEnds = [
  'run_neutral',
  'run_skipped',
  'run_failed',
  'run_startup_failure',
  'run_action_required',
  'run_stale',
  'run_timed_out',
  'run_canceled',
  'run_conclusion_unknown',
  'run_missing',
  'run_not_found',
  'run_cancel_failed',
  'pipeline_timeout',
  'not_accepted_in_time',
] as const;

/** The refusals of GitHub that fail a build. */
const refusals = [
  'app_credentials_rejected',
  'secret_unreadable',
  'installation_suspended',
  'installation_gone',
  'token_rejected',
  'permission_missing',
  'policy',
  'address_refused',
  'repository_gone',
  'moved',
  'conflict',
  'validation',
  'unexpected',
  'workflow_file_missing',
  'workflow_not_dispatchable',
  'workflow_inputs_undeclared',
  'workflow_inputs_too_many',
  'workflow_disabled',
  'actions_disabled',
  'ref_missing',
] as const;

/** Every reason that a build can have. */
export const buildReasons = [
  ...runEnds,
  ...refusals,
  'integration_unusable',
  'integration_deleted',
  'fork_pull_request',
  'skip_marker',
  'dispatch_uncertain',
  'rerun',
  'start_refused',
  'canceled_by_request',
  'ended_in_temporal',
  'integration_not_granted',
  'project_deleted',
  'repository_removed',
] as const;

export type BuildReason = (typeof buildReasons)[number];

/** The reasons of a delivery as a whole. */
export const deliveryReasons = [
  'builds_created',
  'no_pipeline_matched',
  'no_pipeline',
  'no_build_rerun',
  'build_unknown',
  'check_of_another_app',
  'run_recorded',
  'run_unknown',
  'sync_requested',
  'flows_ended',
  'nothing_kept',
  'head_already_decided',
  'installation_missing',
  'installation_unknown',
  'installation_unbound',
  'installation_mismatch',
  'repository_unknown',
  'repository_removed',
  ...unusable,
  'integration_not_granted',
  'integration_unbound',
  'ping',
  'event_not_consumed',
  'ref_event',
  'payload_malformed',
  'body_missing',
  'decision_failed',
] as const;
