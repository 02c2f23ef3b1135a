import type { Knex } from 'knex';

/** When the secret of a cloud account expires, if its owner has set a date. */
export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('cloud_accounts', (table) => {
    table.bigInteger('expires_at');
  });
  await db.raw('create index cloud_accounts_expiry on cloud_accounts (expires_at) where expires_at is not null');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index cloud_accounts_expiry');
  await db.schema.alterTable('cloud_accounts', (table) => table.dropColumn('expires_at'));
}
