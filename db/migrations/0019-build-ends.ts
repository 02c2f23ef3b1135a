import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('builds', (table) => {
    // Why whoever asked for its end wanted it: it becomes the build's reason once the run has ended.
    table.text('cancel_reason');
    // What has ended just now through an integration that is taken away, however many builds there were before.
    table.index(['integration_id', 'finished_at']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.alterTable('builds', (table) => {
    table.dropIndex(['integration_id', 'finished_at']);
  });
  await db.raw('alter table builds drop column cancel_reason');
}
