import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  // What has ended just now through an integration that is taken away, however many builds there were before.
  await db.schema.alterTable('builds', (table) => {
    table.index(['integration_id', 'finished_at']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.alterTable('builds', (table) => {
    table.dropIndex(['integration_id', 'finished_at']);
  });
}
