import type { TriggerEvent } from '../../domain/builds/triggers.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { PipelineRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

export type Pipeline = {
  id: string;
  orgId: string;
  projectId: string;
  appId: string;
  name: string;
  enabled: boolean;
  events: TriggerEvent[];
  branches: string[];
  tags: string[];
  executor: 'github_actions';
  workflowFile: string;
  inputs: Record<string, string>;
  environment?: string;
  /** The address at which a person can look at the environment. */
  environmentUrl?: string;
  timeoutMinutes: number;
  revision: number;
  createdAt: number;
  updatedAt: number;
};

export type PipelineSettings = Pick<
  Pipeline,
  'name' | 'enabled' | 'events' | 'branches' | 'tags' | 'workflowFile' | 'inputs' | 'timeoutMinutes'
> & { environment: string | null; environmentUrl: string | null };

export function pipelinesFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('pipelines')).whereNull('deleted_at');
  return {
    async find(id: string): Promise<Pipeline | undefined> {
      const row = await visible().where({ id }).first();
      return row && toPipeline(row);
    },

    async list(appId: string, page: PageRequest): Promise<Page<Pipeline>> {
      return pageOf<PipelineRow, Pipeline>(visible().where({ app_id: appId }), page, toPipeline);
    },

    async insert(app: { id: string; orgId: string; projectId: string }, settings: PipelineSettings): Promise<Pipeline> {
      const now = Date.now();
      const row: PipelineRow = {
        id: newId('pip'),
        org_id: app.orgId,
        project_id: app.projectId,
        app_id: app.id,
        executor: 'github_actions',
        ...toColumns(settings),
        revision: 1,
        created_at: now,
        updated_at: now,
        deleted_at: null,
      };
      await db('pipelines').insert(row);
      return toPipeline(row);
    },

    /** Returns false if the revision is no longer the current one. */
    async update(id: string, revision: number, settings: PipelineSettings): Promise<boolean> {
      const changed = await visible()
        .where({ id, revision })
        .update({ ...toColumns(settings), revision: revision + 1, updated_at: Date.now() });
      return changed === 1;
    },

    async remove(id: string): Promise<boolean> {
      return (await visible().where({ id }).update({ deleted_at: Date.now() })) === 1;
    },
  };
}

/** Covers all tenants. Use it only with IDs that were authorized when they were stored. */
export const allPipelines = (db: Db) => pipelinesFor(db, everything);

function toColumns(settings: PipelineSettings) {
  return {
    name: settings.name,
    enabled: settings.enabled,
    events: JSON.stringify(settings.events),
    branches: JSON.stringify(settings.branches),
    tags: JSON.stringify(settings.tags),
    workflow_file: settings.workflowFile,
    inputs: JSON.stringify(settings.inputs),
    environment: settings.environment,
    environment_url: settings.environmentUrl,
    timeout_minutes: settings.timeoutMinutes,
  };
}

export function toPipeline(row: PipelineRow): Pipeline {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    appId: row.app_id,
    name: row.name,
    enabled: Boolean(row.enabled),
    events: JSON.parse(row.events),
    branches: JSON.parse(row.branches),
    tags: JSON.parse(row.tags),
    executor: 'github_actions',
    workflowFile: row.workflow_file,
    inputs: JSON.parse(row.inputs),
    ...(row.environment !== null && { environment: row.environment }),
    ...(row.environment_url !== null && { environmentUrl: row.environment_url }),
    timeoutMinutes: row.timeout_minutes,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Returns how many inputs a dispatch can have on the GitHub host of this repository. */
export async function mostInputsFor(db: Db, repositoryId: string): Promise<number> {
  const app = await db('repositories')
    .join('github_apps', 'github_apps.id', 'repositories.github_app_id')
    .where('repositories.id', repositoryId)
    .first('github_apps.host_url', 'github_apps.api_url');
  return githubHost(app?.host_url ?? 'https://github.com', app?.api_url).maxInputs;
}
