import type { Knex } from 'knex';

/** Why the last attempt at the work of a running operation failed. */
export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('operations', (table) => {
    table.text('waiting_code');
    table.text('waiting_detail');
    table.bigInteger('waiting_since');
  });
  await db.raw(`create index operations_of_workflow on operations (workflow_id) where status = 'running'`);
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index operations_of_workflow');
  await db.schema.alterTable('operations', (table) => {
    for (const column of ['waiting_code', 'waiting_detail', 'waiting_since']) table.dropColumn(column);
  });
}
