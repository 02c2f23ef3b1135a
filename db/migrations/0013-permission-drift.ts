import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('installations', (table) => {
    // The permissions that Fairlead needs and that were not granted, as JSON; none where nothing is missing.
    table.text('missing_permissions');
  });
}

export async function down(db: Knex): Promise<void> {
  await db.raw('alter table installations drop column missing_permissions');
}
