import type { Knex } from 'knex';
import { idColumn, oneOf } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  // A provider's token, sealed, for as long as it may have to be revoked.
  await db.schema.createTable('minted_tokens', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('installation_id').references('installations.id');
    table.text('hash').notNullable().unique();
    table.text('sealed');
    table.text('key_id');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('revoked_at');
    table.index(['integration_id']);
    table.index(['expires_at']);
  });
  await db.raw('create index minted_tokens_sealed on minted_tokens (expires_at) where sealed is not null');
  await db.schema.createTable('leases', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').notNullable().references('projects.id');
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('app_id').references('apps.id');
    table.text('build_id').references('builds.id');
    table.text('minted_token_id').references('minted_tokens.id');
    table.text('purpose').notNullable();
    // The repositories and permissions that it covers.
    table.text('scope').notNullable();
    // The caller that requested it.
    table.text('holder').notNullable();
    table.text('status').notNullable();
    table.text('outcome');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('revoked_at');
    table.index(['org_id', 'id']);
    table.index(['project_id', 'id']);
    table.index(['integration_id', 'id']);
    table.index(['build_id', 'id']);
    table.index(['org_id', 'status', 'id']);
    table.index(['project_id', 'status', 'id']);
    table.index(['minted_token_id']);
    table.check(oneOf('status', ['active', 'revoked']));
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['leases', 'minted_tokens']) await db.schema.dropTable(table);
}
