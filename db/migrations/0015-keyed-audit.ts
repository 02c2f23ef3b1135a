import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  // Made over the row when it is inserted, with a key that is not in the database in plain text.
  await db.schema.alterTable('audit_events', (table) => {
    table.text('mac');
  });
  // The keys of the audit log, each sealed by the master key that is in use now.
  await db.schema.createTable('audit_keys', (table) => {
    // The id of the master key under which the key was made.
    table.text('id').primary();
    table.text('sealed').notNullable();
    table.text('key_id').notNullable();
    table.bigInteger('created_at').notNullable();
  });
  // The last row of each chain, so that a chain that was cut is noticed. The chain `*` counts the chains.
  await db.schema.createTable('audit_heads', (table) => {
    table.text('chain').primary();
    table.bigInteger('sequence').notNullable();
    table.text('hash').notNullable();
    table.text('mac').notNullable();
    table.bigInteger('updated_at').notNullable();
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['audit_heads', 'audit_keys']) await db.schema.dropTable(table);
  await db.raw('alter table audit_events drop column mac');
}
