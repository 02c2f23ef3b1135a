import type { Knex } from 'knex';

/** What is needed to replace a secret only once it is proven, and to roll back to the previous one. */
export async function up(db: Knex): Promise<void> {
  // The user name and the expiry date that belong to a registry's password while it is not the active one.
  await db.schema.alterTable('credential_versions', (table) => {
    table.text('username');
    table.bigInteger('expires_at');
  });
  // The settings of a pending access and of the previous one. Their secrets are versions of their own.
  await db.schema.alterTable('cloud_accounts', (table) => {
    table.text('pending_config');
    table.text('previous_config');
    table.bigInteger('previous_at');
  });
  // Whether the old version ends as soon as the new one is in use, because it has leaked.
  await db.schema.alterTable('rotations', (table) => {
    table.boolean('immediate').notNullable().defaultTo(false);
  });
  await db.raw(
    'create index cloud_accounts_previous on cloud_accounts (previous_at) where previous_config is not null',
  );
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index cloud_accounts_previous');
  await db.schema.alterTable('rotations', (table) => table.dropColumn('immediate'));
  await db.schema.alterTable('cloud_accounts', (table) => {
    for (const column of ['pending_config', 'previous_config', 'previous_at']) table.dropColumn(column);
  });
  await db.schema.alterTable('credential_versions', (table) => {
    for (const column of ['username', 'expires_at']) table.dropColumn(column);
  });
}
