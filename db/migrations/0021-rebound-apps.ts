import type { Knex } from 'knex';

/** How many apps a connect flow gave their integration back. */
export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('connect_flows', (table) => {
    table.integer('rebound');
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.alterTable('connect_flows', (table) => table.dropColumn('rebound'));
}
