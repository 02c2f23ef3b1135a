import type { IntegrationStatus } from '../domain/integration-status.ts';
import type { Db } from './connection.ts';
import { type Pipeline, toPipeline } from './pipelines.ts';
import type { InstallationRow, PipelineRow, RepositoryRow } from './tables.ts';

/** A pipeline that an event of its app's repository may concern. */
export type Candidate = {
  pipeline: Pipeline;
  autoDeploy: boolean;
  integrationId: string;
  integrationStatus: IntegrationStatus;
  /** Whether the app's integration is still bound to the installation that the event comes from. */
  bound: boolean;
};

type CandidateRow = PipelineRow & {
  auto_deploy: boolean | number;
  integration_id: string;
  integration_status: IntegrationStatus;
  bound_to: string | null;
};

/** What the relay looks up to find out whose an event is. It follows the provider's numeric ids, never names. */
export function eventSubjects(db: Db) {
  return {
    async installation(githubAppId: string, externalId: number): Promise<InstallationRow | undefined> {
      return db('installations').where({ github_app_id: githubAppId, external_id: externalId }).first();
    },

    async repository(githubAppId: string, externalId: number): Promise<RepositoryRow | undefined> {
      return db('repositories').where({ github_app_id: githubAppId, external_id: externalId }).first();
    },

    /** The organization that has claimed an installation, by our id of it. */
    async orgOf(installationId: string): Promise<string | undefined> {
      const row = await db('installations').where({ id: installationId }).first();
      return row?.org_id ?? undefined;
    },

    async candidates(repositoryId: string, installationId: string): Promise<Candidate[]> {
      const rows: unknown = await db('pipelines')
        .join('apps', 'apps.id', 'pipelines.app_id')
        .join('integrations', 'integrations.id', 'apps.source_integration_id')
        .leftJoin('bindings', (join) => {
          join.on('bindings.integration_id', 'integrations.id').andOnVal('bindings.installation_id', installationId);
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
        );
      return (rows as CandidateRow[]).map((row) => ({
        pipeline: toPipeline(row),
        autoDeploy: Boolean(row.auto_deploy),
        integrationId: row.integration_id,
        integrationStatus: row.integration_status,
        bound: row.bound_to !== null,
      }));
    },
  };
}
