import type { Knex } from 'knex';

const columns = [
  'check_run_id',
  'check_status',
  'deployment_status',
  'report_claim',
  'report_claim_until',
  'report_doubt_until',
];

export async function up(db: Knex): Promise<void> {
  // Where what a pipeline deploys can be looked at.
  await db.schema.alterTable('pipelines', (table) => table.text('environment_url'));
  await db.schema.alterTable('builds', (table) => {
    // The provider's number of the build's check run.
    table.bigInteger('check_run_id');
    // The build's status of which the check run and the deployment tell; `reported_status` is the commit status's.
    table.text('check_status');
    table.text('deployment_status');
    // Who reports just now: two at once could tell an old status after a new one.
    table.text('report_claim');
    table.bigInteger('report_claim_until');
    // Until then a request whose answer was lost may still take effect.
    table.bigInteger('report_doubt_until');
    // A commit's builds.
    table.index(['repository_id', 'sha', 'id']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.alterTable('builds', (table) => table.dropIndex(['repository_id', 'sha', 'id']));
  await db.raw('alter table pipelines drop column environment_url');
  for (const column of columns) await db.raw(`alter table builds drop column ${column}`);
}
