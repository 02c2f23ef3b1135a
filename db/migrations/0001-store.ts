import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('instance', (table) => {
    table.text('key').primary();
    table.text('value').notNullable();
  });
  await db.schema.createTable('commands', (table) => {
    idColumn(table);
    table.text('action').notNullable();
    table.text('workflow').notNullable();
    table.text('workflow_id').notNullable();
    table.text('signal');
    table.text('input').notNullable();
    table.text('attributes').notNullable();
    table.text('summary').notNullable();
    table.text('status').notNullable();
    table.text('last_error');
    table.integer('attempts').notNullable().defaultTo(0);
    // The command is not carried out before this time: the backoff after a failure, or the claim of a relay.
    table.bigInteger('due_at').notNullable();
    timeColumns(table);
    table.check(oneOf('action', ['start', 'signal', 'signal_with_start']));
    table.check(oneOf('status', ['pending', 'done', 'failed']));
  });
  await db.raw(`create index commands_pending on commands (due_at, id) where status = 'pending'`);
  await db.raw(`create index commands_of_workflow on commands (workflow_id, id) where status = 'pending'`);
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['commands', 'instance']) await db.schema.dropTable(table);
}
