import type { Knex } from 'knex';
import { oneOf } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('registry_checks', (table) => {
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('repository').notNullable();
    table.text('action').notNullable();
    table.text('outcome').notNullable();
    table.text('code');
    table.bigInteger('checked_at').notNullable();
    table.primary(['integration_id', 'repository', 'action']);
    table.check(oneOf('action', ['pull', 'push']));
    table.check(oneOf('outcome', ['allowed', 'denied', 'unproven']));
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('registry_checks');
}
