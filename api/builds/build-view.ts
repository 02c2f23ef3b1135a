import { z } from 'zod';
import type { BuildEvent } from '../../db/builds/build-events.ts';
import type { Build } from '../../db/builds/builds.ts';
import { buildStatuses } from '../../domain/builds/build-status.ts';
import { buildWorkflowId } from '../../workflows/ids.ts';
import { CreatedBy, creatorOf, epochSeconds, toSeconds } from '../http/input.ts';
import { type OperationLinks, temporalUrl } from '../http/operation-view.ts';

export const BuildView = z
  .object({
    id: z.string(),
    org_id: z.string(),
    project_id: z.string(),
    app_id: z.string(),
    pipeline_id: z.string(),
    pipeline: z
      .object({
        name: z.string(),
        workflow_file: z.string(),
        inputs: z.record(z.string(), z.string()),
        environment: z.string().nullable(),
        environment_url: z.string().nullable(),
        timeout_minutes: z.int(),
      })
      .describe('The pipeline when the build was triggered'),
    integration_id: z.string(),
    repository_id: z.string(),
    status: z.enum(buildStatuses),
    reason: z.string().nullable().describe('A stable code that explains the status'),
    detail: z.string().nullable(),
    event: z.string(),
    ref: z.string(),
    ref_name: z.string(),
    sha: z.string(),
    dispatch_ref: z
      .string()
      .describe('The full ref on which the workflow is dispatched: `refs/heads/…` or `refs/tags/…`'),
    fairlead_ref: z.string().describe('The ref that the workflow receives'),
    pull_request: z.int().nullable(),
    fork: z.boolean(),
    message: z.string().nullable(),
    rerun_of: z.string().nullable(),
    delivery_id: z.string().nullable(),
    created_by: CreatedBy,
    run_id: z.int().nullable().describe('The workflow run on GitHub'),
    run_attempt: z.int().nullable(),
    run_url: z.string().nullable(),
    check_run_id: z.int().nullable().describe('The check run on GitHub'),
    deployment_id: z.int().nullable(),
    cancel_requested: z.boolean(),
    workflow_id: z.string(),
    temporal_url: z.string().nullable(),
    created_at: epochSeconds,
    updated_at: epochSeconds,
    started_at: epochSeconds.nullable(),
    finished_at: epochSeconds.nullable(),
  })
  .meta({ id: 'Build' });

export function buildView(build: Build, links: OperationLinks): z.input<typeof BuildView> {
  const { pipeline } = build;
  const workflowId = buildWorkflowId(build.id);
  return {
    id: build.id,
    org_id: build.orgId,
    project_id: build.projectId,
    app_id: build.appId,
    pipeline_id: pipeline.id,
    pipeline: {
      name: pipeline.name,
      workflow_file: pipeline.workflowFile,
      inputs: pipeline.inputs,
      environment: pipeline.environment ?? null,
      environment_url: pipeline.environmentUrl ?? null,
      timeout_minutes: pipeline.timeoutMinutes,
    },
    integration_id: build.integrationId,
    repository_id: build.repositoryId,
    status: build.status,
    reason: build.reason,
    detail: build.detail,
    event: build.event,
    ref: build.ref,
    ref_name: build.refName,
    sha: build.sha,
    dispatch_ref: build.dispatchRef,
    fairlead_ref: build.fairleadRef,
    pull_request: build.pullRequest,
    fork: build.fork,
    message: build.message,
    rerun_of: build.rerunOf,
    delivery_id: build.deliveryId,
    created_by: creatorOf(build.createdBy),
    run_id: build.runId,
    run_attempt: build.runAttempt,
    run_url: build.runUrl,
    check_run_id: build.checkRunId,
    deployment_id: build.deploymentId,
    cancel_requested: build.cancelRequested,
    workflow_id: workflowId,
    temporal_url: temporalUrl(links, workflowId),
    created_at: toSeconds(build.createdAt),
    updated_at: toSeconds(build.updatedAt),
    started_at: toSeconds(build.startedAt),
    finished_at: toSeconds(build.finishedAt),
  };
}

export const BuildEventView = z
  .object({
    id: z.string(),
    type: z.string(),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
    created_at: epochSeconds,
  })
  .meta({ id: 'BuildEvent' });

export function buildEventView({ id, type, detail, createdAt }: BuildEvent): z.input<typeof BuildEventView> {
  return { id, type, detail, created_at: toSeconds(createdAt) };
}
