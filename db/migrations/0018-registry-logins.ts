import type { Knex } from 'knex';

/** The user name and the expiry date that belong to a registry's password while it is not the active one. */
export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('credential_versions', (table) => {
    table.text('username');
    table.bigInteger('expires_at');
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.alterTable('credential_versions', (table) => {
    table.dropColumn('username');
    table.dropColumn('expires_at');
  });
}
