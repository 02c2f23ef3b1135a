import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  // What is under way through an integration that is taken away, however many builds there were before.
  await db.schema.alterTable('builds', (table) => {
    table.index(['integration_id', 'status']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.alterTable('builds', (table) => {
    table.dropIndex(['integration_id', 'status']);
  });
}
