import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

const healthColumns = ['checked_at', 'last_success_at', 'next_check_at', 'expires_at'];

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('cloud_accounts', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').references('projects.id');
    table.text('kind').notNullable();
    table.text('auth_mode').notNullable();
    table.text('display_name').notNullable();
    // What is not secret: role, tenant, client, and the ExternalId of our making.
    table.text('config').notNullable();
    table.text('status').notNullable();
    table.text('status_reason');
    table.bigInteger('checked_at');
    table.text('created_by').notNullable();
    table.integer('revision').notNullable().defaultTo(1);
    // Goes up with whatever makes earlier access invalid.
    table.integer('epoch').notNullable().defaultTo(0);
    table.bigInteger('deleted_at');
    timeColumns(table);
    table.index(['org_id', 'id']);
    table.index(['project_id', 'id']);
    table.check(oneOf('kind', ['aws', 'gcp', 'azure']));
    table.check(oneOf('status', ['pending', 'active', 'action_required', 'deleted']));
  });
  await db.schema.alterTable('integrations', (table) => {
    // Without a reference: SQLite cannot take back a column that has one.
    table.text('cloud_account_id');
    // Where and how a registry is reached; nothing secret.
    table.text('settings').notNullable().defaultTo('{}');
    for (const column of healthColumns) table.bigInteger(column);
    // Failed checks in a row.
    table.integer('strikes').notNullable().defaultTo(0);
  });
  await db.raw(
    'create index integrations_cloud_account on integrations (cloud_account_id) where cloud_account_id is not null',
  );
  await db.raw('create index integrations_checks on integrations (next_check_at) where next_check_at is not null');
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
  await db.schema.alterTable('apps', (table) => {
    table.text('registry_integration_id');
    table.text('image_repository');
  });
  await db.raw(
    'create index apps_registry on apps (registry_integration_id, id) where registry_integration_id is not null',
  );
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index apps_registry');
  for (const column of ['registry_integration_id', 'image_repository']) {
    await db.raw(`alter table apps drop column ${column}`);
  }
  await db.schema.dropTable('registry_checks');
  for (const index of ['integrations_checks', 'integrations_cloud_account']) await db.raw(`drop index ${index}`);
  for (const column of ['cloud_account_id', 'settings', ...healthColumns, 'strikes']) {
    await db.raw(`alter table integrations drop column ${column}`);
  }
  await db.schema.dropTable('cloud_accounts');
}
