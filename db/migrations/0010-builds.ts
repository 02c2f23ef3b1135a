import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('apps', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').notNullable().references('projects.id');
    table.text('name').notNullable();
    table.text('source_integration_id').references('integrations.id');
    // The id of the row in `repositories`, which has the provider's numeric id. Names are for display only.
    table.text('source_repository_id').references('repositories.id');
    table.text('source_branch');
    table.text('registry_integration_id');
    table.text('image_repository');
    table.boolean('auto_deploy').notNullable().defaultTo(true);
    table.integer('revision').notNullable().defaultTo(1);
    timeColumns(table);
    table.bigInteger('deleted_at');
    table.index(['project_id', 'id']);
    table.index(['source_repository_id']);
    table.check(`(source_integration_id is null) = (source_repository_id is null)`);
  });
  await db.raw(
    'create index apps_registry on apps (registry_integration_id, id) where registry_integration_id is not null',
  );
  await db.schema.createTable('pipelines', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').notNullable().references('projects.id');
    table.text('app_id').notNullable().references('apps.id');
    table.text('name').notNullable();
    table.boolean('enabled').notNullable().defaultTo(true);
    table.text('events').notNullable();
    table.text('branches').notNullable();
    table.text('tags').notNullable();
    table.text('executor').notNullable();
    table.text('workflow_file').notNullable();
    table.text('inputs').notNullable();
    table.text('environment');
    // The address of what the pipeline deploys.
    table.text('environment_url');
    table.integer('timeout_minutes').notNullable().defaultTo(60);
    table.integer('revision').notNullable().defaultTo(1);
    timeColumns(table);
    table.bigInteger('deleted_at');
    table.index(['app_id', 'id']);
    table.check(oneOf('executor', ['github_actions']));
  });
  await db.schema.createTable('builds', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').notNullable().references('projects.id');
    table.text('app_id').notNullable().references('apps.id');
    table.text('pipeline_id').notNullable().references('pipelines.id');
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('repository_id').notNullable().references('repositories.id');
    table.text('status').notNullable();
    // A stable code and a sentence for it, if the status alone does not say why.
    table.text('reason');
    table.text('detail');
    table.text('event').notNullable();
    table.text('ref').notNullable();
    table.text('ref_name').notNullable();
    table.text('sha').notNullable();
    table.text('dispatch_ref').notNullable();
    table.text('fairlead_ref').notNullable();
    table.integer('pull_request');
    table.boolean('fork').notNullable().defaultTo(false);
    table.text('message');
    // The pipeline at the time when the build was triggered.
    table.text('pipeline').notNullable();
    table.text('rerun_of').references('builds.id');
    table.text('delivery_id');
    table.text('created_by').notNullable();
    table.bigInteger('run_id');
    table.integer('run_attempt');
    table.text('run_url');
    table.boolean('cancel_requested').notNullable().defaultTo(false);
    // Why the build was canceled. It becomes the build's reason once the run has ended.
    table.text('cancel_reason');
    table.bigInteger('deployment_id');
    // The last status that Fairlead reported to the provider.
    table.text('reported_status');
    // GitHub's id of the build's check run.
    table.bigInteger('check_run_id');
    // The status that the check run and the deployment show. `reported_status` is the one of the commit status.
    table.text('check_status');
    table.text('deployment_status');
    // Who reports right now: two reporters at once could send an old status after a new one.
    table.text('report_claim');
    table.bigInteger('report_claim_until');
    // Until this time a request whose response was lost can still take effect.
    table.bigInteger('report_doubt_until');
    table.integer('revision').notNullable().defaultTo(1);
    timeColumns(table);
    table.bigInteger('started_at');
    table.bigInteger('finished_at');
    table.index(['org_id', 'id']);
    table.index(['project_id', 'id']);
    table.index(['app_id', 'id']);
    table.index(['pipeline_id', 'id']);
    table.index(['repository_id', 'run_id']);
    table.index(['repository_id', 'sha', 'id']);
    table.index(['integration_id', 'status']);
    table.index(['integration_id', 'finished_at']);
    table.check(
      oneOf('status', [
        'blocked',
        'queued',
        'dispatching',
        'uncertain',
        'running',
        'succeeded',
        'failed',
        'timed_out',
        'canceled',
        'superseded',
        'declined',
        'skipped',
      ]),
    );
  });
  // The reconciliation looks for unfinished builds without news.
  await db.raw('create index builds_unfinished on builds (updated_at) where finished_at is null');
  // The deletion of an integration ends these builds.
  await db.raw(
    `create index builds_unended on builds (integration_id, id) where status in ('blocked', 'queued', 'dispatching', 'uncertain', 'running')`,
  );
  await db.schema.createTable('build_events', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').notNullable().references('projects.id');
    table.text('build_id').notNullable().references('builds.id');
    table.text('type').notNullable();
    table.text('detail').notNullable();
    table.bigInteger('created_at').notNullable();
    table.index(['build_id', 'id']);
  });
  await db.schema.createTable('dispatches', (table) => {
    table.text('build_id').primary().references('builds.id');
    table.text('state').notNullable();
    table.text('code');
    table.text('detail');
    table.bigInteger('run_id');
    timeColumns(table);
    table.check(oneOf('state', ['intent', 'sending', 'sent', 'refused', 'unknown']));
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['dispatches', 'build_events', 'builds', 'pipelines', 'apps']) await db.schema.dropTable(table);
}
