import { closedIntegrationStatuses, type IntegrationStatus } from '../../domain/integrations/integration-status.ts';
import { type Pipeline, toPipeline } from '../builds/pipelines.ts';
import type { Db } from '../store/connection.ts';
import type { PipelineRow } from '../store/tables.ts';

export type EventInstallation = { id: string; orgId: string | null; isRemoved: boolean };
export type EventRepository = { id: string; installationId: string; isRemoved: boolean };

/** A pipeline that an event of its app's repository may concern. */
export type Candidate = {
  pipeline: Pipeline;
  autoDeploy: boolean;
  integrationId: string;
  integrationStatus: IntegrationStatus;
  /** Whether the app's project can use the integration, because it owns it or the organization has granted it. */
  granted: boolean;
  /** Whether the app's integration is still bound to the installation that sent the event. */
  bound: boolean;
};

type CandidateRow = PipelineRow & {
  auto_deploy: boolean | number;
  integration_id: string;
  integration_status: IntegrationStatus;
  bound_to: string | null;
  integration_project: string | null;
  granted_to: string | null;
};

export type EventSubjects = ReturnType<typeof eventSubjects>;

/**
 * Finds out what an event belongs to, for the relay. It follows the provider's numeric IDs, never names. Bind it to one
 * transaction, because it caches what it has found.
 */
export function eventSubjects(db: Db) {
  const found = new Map<string, Promise<unknown>>();

  function once<Result>(key: string, find: () => Promise<Result>): Promise<Result> {
    const known = found.get(key) ?? find();
    found.set(key, known);
    return known as Promise<Result>;
  }

  return {
    /** Clears the cache. Call it after a change. */
    forget(): void {
      found.clear();
    },

    installation(githubAppId: string, externalId: number): Promise<EventInstallation | undefined> {
      const key = { github_app_id: githubAppId, external_id: externalId };
      return once(`installation ${githubAppId} ${externalId}`, async () => {
        const row = await db('installations').where(key).first('id', 'org_id', 'removed_at');
        return row && { id: row.id, orgId: row.org_id, isRemoved: row.removed_at !== null };
      });
    },

    repository(githubAppId: string, externalId: number): Promise<EventRepository | undefined> {
      const key = { github_app_id: githubAppId, external_id: externalId };
      return once(`repository ${githubAppId} ${externalId}`, async () => {
        const row = await db('repositories').where(key).first('id', 'installation_id', 'removed_at');
        return row && { id: row.id, installationId: row.installation_id, isRemoved: row.removed_at !== null };
      });
    },

    /** Returns the organization that has claimed an installation, by our ID. */
    async orgOf(installationId: string): Promise<string | undefined> {
      const row = await db('installations').where({ id: installationId }).first();
      return row?.org_id ?? undefined;
    },

    /** Returns whether an integration that is not deleted is bound to the installation, by our ID. */
    isUsed(installationId: string): Promise<boolean> {
      return once(`used ${installationId}`, async () => {
        const bound = await db('bindings')
          .join('integrations', 'integrations.id', 'bindings.integration_id')
          .where('bindings.installation_id', installationId)
          .whereNotIn('integrations.status', closedIntegrationStatuses)
          .first('integrations.id');
        return bound !== undefined;
      });
    },

    candidates(repositoryId: string, installationId: string): Promise<Candidate[]> {
      return once(`candidates ${repositoryId} ${installationId}`, () =>
        listCandidates(db, repositoryId, installationId),
      );
    },
  };
}

async function listCandidates(db: Db, repositoryId: string, installationId: string): Promise<Candidate[]> {
  const rows: unknown = await db('pipelines')
    .join('apps', 'apps.id', 'pipelines.app_id')
    .join('integrations', 'integrations.id', 'apps.source_integration_id')
    .leftJoin('bindings', (join) => {
      join.on('bindings.integration_id', 'integrations.id').andOnVal('bindings.installation_id', installationId);
    })
    .leftJoin('grants', (join) => {
      join.on('grants.integration_id', 'integrations.id').andOn('grants.project_id', 'apps.project_id');
    })
    .where('apps.source_repository_id', repositoryId)
    .whereNull('apps.deleted_at')
    .whereNull('pipelines.deleted_at')
    .orderBy('pipelines.id')
    .select(
      'pipelines.*',
      'apps.auto_deploy as auto_deploy',
      'integrations.id as integration_id',
      'integrations.status as integration_status',
      'bindings.installation_id as bound_to',
      'integrations.project_id as integration_project',
      'grants.project_id as granted_to',
    );
  return (rows as CandidateRow[]).map((row) => ({
    pipeline: toPipeline(row),
    autoDeploy: Boolean(row.auto_deploy),
    integrationId: row.integration_id,
    integrationStatus: row.integration_status,
    granted: row.integration_project === row.project_id || row.granted_to !== null,
    bound: row.bound_to !== null,
  }));
}
