import { z } from 'zod';
import { mostInputsFor, type Pipeline, type PipelineSettings, pipelinesFor } from '../../db/builds/pipelines.ts';
import type { Db } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { checkGlob } from '../../domain/builds/glob.ts';
import { triggerEvents } from '../../domain/builds/triggers.ts';
import { buildInputs, tooManyInputs } from '../../domain/builds/workflow-inputs.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply, requireRevision } from '../http/endpoint.ts';
import { epochSeconds, id, lineOfText, name, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { findApp } from './apps.ts';

/** A glob pattern. Its length is limited, because Fairlead tests every pattern on each push while other work waits. */
const glob = lineOfText.max(128).superRefine((pattern, context) => {
  const complaint = checkGlob(pattern);
  if (complaint) context.addIssue(complaint);
});
/** GitHub accepts 25 inputs in a dispatch. Fairlead uses three of them. */
const maxInputs = 25 - buildInputs.length;
const inputName = z
  .string()
  .regex(/^(?!fairlead_)[a-zA-Z_][\w-]{0,99}$/, 'must be the name of an input and must not begin with fairlead_');

const settings = {
  name: name.describe('Shown at the commit as `fairlead/<app>/<name>`'),
  enabled: z.boolean(),
  events: z.array(z.enum(triggerEvents)).max(triggerEvents.length),
  branches: z.array(glob).max(20).describe('Glob patterns. For pull requests, they match the base branch'),
  tags: z.array(glob).max(20),
  workflow_file: z
    .string()
    .max(200)
    .regex(/^[\w][\w.-]*\.ya?ml$/, 'must be the name of a file in .github/workflows'),
  inputs: z
    .record(inputName, z.string().max(10_000))
    .refine((inputs) => Object.keys(inputs).length <= maxInputs, `must be at most ${maxInputs}`),
  environment: lineOfText
    .min(1)
    .max(255)
    .nullable()
    .describe('Fairlead creates a GitHub deployment for this environment'),
  environment_url: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .nullable()
    .describe('The address of the deployed app, shown at the deployment'),
  timeout_minutes: z.int().min(1).max(1440),
};

const NewPipeline = z
  .strictObject({
    ...settings,
    enabled: settings.enabled.default(true),
    events: settings.events.default(['push', 'manual']),
    branches: settings.branches.default(['**']),
    tags: settings.tags.default([]),
    inputs: settings.inputs.default({}),
    environment: settings.environment.default(null),
    environment_url: settings.environment_url.default(null),
    timeout_minutes: settings.timeout_minutes.default(60),
  })
  .meta({
    id: 'NewPipeline',
    examples: [
      {
        name: 'deploy',
        workflow_file: 'deploy.yml',
        events: ['push', 'manual'],
        branches: ['main'],
        inputs: { region: 'eu' },
        environment: 'production',
      },
    ],
  });
const PipelineChange = z
  .strictObject(settings)
  .partial()
  .meta({ id: 'PipelineChange', examples: [{ branches: ['main'], timeout_minutes: 30 }] });

const PipelineView = z
  .object({
    id: z.string(),
    org_id: z.string(),
    project_id: z.string(),
    app_id: z.string(),
    executor: z.literal('github_actions'),
    ...settings,
    branches: z.array(z.string()),
    tags: z.array(z.string()),
    created_at: epochSeconds,
    updated_at: epochSeconds,
  })
  .meta({ id: 'Pipeline' });

const Params = z.strictObject({ pipeline: id('pip') });
const AppParams = z.strictObject({ app: id('app') });

export function pipelineRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/apps/{app}/pipelines',
      operationId: 'listPipelines',
      tag: 'pipelines',
      summary: 'List the pipelines of an app',
      access: 'pipelines:read',
      params: AppParams,
      query: PageQuery,
      success: { status: 200, body: z.array(PipelineView) },
      async read({ tenant, params, query }) {
        const app = await findApp(database.reader, tenant, params.app);
        const { items, next } = await pipelinesFor(database.reader, tenant).list(app.id, pageRequest(query));
        return reply({ body: items.map(pipelineView), next });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/apps/{app}/pipelines',
      operationId: 'createPipeline',
      tag: 'pipelines',
      etag: true,
      summary: 'Create a pipeline',
      access: 'pipelines:write',
      params: AppParams,
      body: NewPipeline,
      success: { status: 201, body: PipelineView },
      problems: ['workflow_inputs_too_many'],
      async write({ trx, tenant, params, body, audit }) {
        const app = await findApp(trx, tenant, params.app);
        await refuseManyInputs(trx, app.source?.repositoryId, body.inputs);
        const pipeline = await pipelinesFor(trx, tenant).insert(app, toSettings(body));
        const { orgId, projectId } = pipeline;
        await audit({ orgId, projectId, action: 'pipeline.created', target: pipeline.id });
        return reply({ body: pipelineView(pipeline), revision: pipeline.revision });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/pipelines/{pipeline}',
      operationId: 'getPipeline',
      tag: 'pipelines',
      etag: true,
      summary: 'Get a pipeline',
      access: 'pipelines:read',
      params: Params,
      success: { status: 200, body: PipelineView },
      async read({ tenant, params }) {
        const pipeline = await findPipeline(database.reader, tenant, params.pipeline);
        return reply({ body: pipelineView(pipeline), revision: pipeline.revision });
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/pipelines/{pipeline}',
      operationId: 'updatePipeline',
      tag: 'pipelines',
      etag: true,
      summary: 'Update a pipeline',
      description: 'Builds that were triggered earlier keep the previous settings.',
      access: 'pipelines:write',
      params: Params,
      body: PipelineChange,
      success: { status: 200, body: PipelineView },
      problems: ['workflow_inputs_too_many'],
      async write({ trx, tenant, params, body, audit, ...request }) {
        const pipeline = await findPipeline(trx, tenant, params.pipeline);
        requireRevision(request, pipeline.revision);
        if (body.inputs) {
          const { source } = await findApp(trx, tenant, pipeline.appId);
          await refuseManyInputs(trx, source?.repositoryId, body.inputs);
        }
        const before = pipelineView(pipeline);
        const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
        const after = { ...before, ...given } as typeof before;
        const pipelines = pipelinesFor(trx, tenant);
        if (!(await pipelines.update(pipeline.id, pipeline.revision, toSettings(after)))) {
          throw new Problem('precondition_failed');
        }
        const { orgId, projectId } = pipeline;
        const changed = { fields: Object.keys(given).join(' ') };
        await audit({ orgId, projectId, action: 'pipeline.updated', target: pipeline.id, detail: changed });
        return reply({ body: { ...after, updated_at: toSeconds(Date.now()) }, revision: pipeline.revision + 1 });
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/pipelines/{pipeline}',
      operationId: 'deletePipeline',
      tag: 'pipelines',
      summary: 'Delete a pipeline',
      description: 'Its builds are kept. Running builds continue.',
      access: 'pipelines:write',
      params: Params,
      success: { status: 204 },
      async write({ trx, tenant, params, audit, ...request }) {
        const pipeline = await findPipeline(trx, tenant, params.pipeline);
        requireRevision(request, pipeline.revision);
        await pipelinesFor(trx, tenant).remove(pipeline.id);
        const { orgId, projectId } = pipeline;
        await audit({ orgId, projectId, action: 'pipeline.deleted', target: pipeline.id });
      },
    }),
  ];
}

export async function findPipeline(db: Db, tenant: TenantScope, pipelineId: string): Promise<Pipeline> {
  return required(await pipelinesFor(db, tenant).find(pipelineId));
}

function toSettings(body: Omit<z.output<typeof NewPipeline>, never>): PipelineSettings {
  const {
    workflow_file: workflowFile,
    environment_url: environmentUrl,
    timeout_minutes: timeoutMinutes,
    ...same
  } = body;
  return { ...same, workflowFile, environmentUrl, timeoutMinutes };
}

function pipelineView(pipeline: Pipeline): z.output<typeof PipelineView> {
  return {
    id: pipeline.id,
    org_id: pipeline.orgId,
    project_id: pipeline.projectId,
    app_id: pipeline.appId,
    executor: pipeline.executor,
    name: pipeline.name,
    enabled: pipeline.enabled,
    events: pipeline.events,
    branches: pipeline.branches,
    tags: pipeline.tags,
    workflow_file: pipeline.workflowFile,
    inputs: pipeline.inputs,
    environment: pipeline.environment ?? null,
    environment_url: pipeline.environmentUrl ?? null,
    timeout_minutes: pipeline.timeoutMinutes,
    created_at: toSeconds(pipeline.createdAt),
    updated_at: toSeconds(pipeline.updatedAt),
  };
}

/**
 * Refuses more inputs than the GitHub of this repository accepts. An Enterprise Server accepts fewer than github.com.
 */
export async function refuseManyInputs(
  db: Db,
  repositoryId: string | undefined,
  inputs: Record<string, string>,
): Promise<void> {
  if (repositoryId === undefined) return;
  const complaint = tooManyInputs(inputs, await mostInputsFor(db, repositoryId));
  if (complaint) throw new Problem('workflow_inputs_too_many', complaint);
}
