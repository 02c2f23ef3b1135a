import type { Knex } from 'knex';
import { idColumn, oneOf } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('integrations', (table) => {
    // Goes up when it is cut off: a token that was asked for before is not given out after.
    table.integer('epoch').notNullable().defaultTo(0);
    // What its owner asked for when deleting it, and what came of it at the provider.
    table.text('revocation');
    table.text('revocation_outcome');
    table.bigInteger('deleted_at');
  });
  await db.schema.alterTable('orgs', (table) => void table.bigInteger('deleted_at'));
  // What has to be ended with an integration, and the operation that ends a thing.
  await db.raw(
    `create index builds_unended on builds (integration_id, id) where status in ('blocked', 'queued', 'dispatching', 'uncertain', 'running')`,
  );
  await db.raw(`create index operations_deletions on operations (subject_id, id) where kind = 'delete'`);
  await db.schema.alterTable('tokens', (table) => {
    // A token for one app, or for one build.
    table.text('app_id');
    table.text('build_id');
  });
  // A project of the organization that may use an integration which belongs to the organization.
  await db.schema.createTable('grants', (table) => {
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('project_id').notNullable().references('projects.id');
    table.text('org_id').notNullable().references('orgs.id');
    table.text('created_by').notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['integration_id', 'project_id']);
    table.index(['project_id']);
  });
  // A token that the provider made, sealed, for as long as it may have to be revoked.
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
  await db.schema.createTable('leases', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').notNullable().references('projects.id');
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('app_id').references('apps.id');
    table.text('build_id').references('builds.id');
    table.text('minted_token_id').references('minted_tokens.id');
    table.text('purpose').notNullable();
    // What it is good for: repositories, permissions.
    table.text('scope').notNullable();
    // Who asked for it.
    table.text('holder').notNullable();
    table.text('status').notNullable();
    table.text('outcome');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('revoked_at');
    table.index(['org_id', 'id']);
    table.index(['project_id', 'id']);
    table.index(['integration_id', 'id']);
    table.index(['build_id']);
    table.index(['minted_token_id']);
    table.check(oneOf('status', ['active', 'revoked']));
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['leases', 'minted_tokens', 'grants']) await db.schema.dropTable(table);
  for (const index of ['operations_deletions', 'builds_unended']) await db.raw(`drop index ${index}`);
  await db.raw('alter table orgs drop column deleted_at');
  for (const column of ['app_id', 'build_id']) await db.raw(`alter table tokens drop column ${column}`);
  for (const column of ['epoch', 'revocation', 'revocation_outcome', 'deleted_at']) {
    await db.raw(`alter table integrations drop column ${column}`);
  }
}
