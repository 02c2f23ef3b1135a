import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  // The parts are stored before the delivery that they belong to, so there is no foreign key.
  await db.schema.createTable('large_body_parts', (table) => {
    table.text('delivery_id').notNullable();
    table.integer('part').notNullable();
    table.binary('bytes').notNullable();
    table.primary(['delivery_id', 'part']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('large_body_parts');
}
