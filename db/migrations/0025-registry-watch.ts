import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('integrations', (table) => {
    // Checks in a row that were refused and are not believed yet; those that nobody answered are `strikes`.
    table.integer('refusals').notNullable().defaultTo(0);
  });
  await db.raw('create index integrations_expiry on integrations (expires_at) where expires_at is not null');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index integrations_expiry');
  await db.raw('alter table integrations drop column refusals');
}
