import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('github_apps', (table) => {
    idColumn(table);
    // The operator's own App belongs to no organization.
    table.text('org_id').references('orgs.id');
    table.text('host_url').notNullable();
    table.text('api_url').notNullable();
    table.bigInteger('app_id').notNullable();
    table.text('slug').notNullable();
    table.text('name').notNullable();
    table.text('client_id');
    // Counts the passes that read the App's installations; rows of what a pass has seen carry its number.
    table.integer('sync_pass').notNullable().defaultTo(0);
    table.bigInteger('synced_at');
    table.text('sync_error');
    timeColumns(table);
    table.unique(['host_url', 'app_id']);
  });
  await db.schema.createTable('installations', (table) => {
    idColumn(table);
    // The one organization that has shown that it owns the account; none while nobody has claimed it.
    table.text('org_id').references('orgs.id');
    table.text('github_app_id').notNullable().references('github_apps.id');
    table.bigInteger('external_id').notNullable();
    table.text('account_login').notNullable();
    table.bigInteger('account_id').notNullable();
    table.text('target_type').notNullable();
    table.text('repository_selection').notNullable();
    table.text('permissions').notNullable();
    table.text('events').notNullable();
    table.bigInteger('suspended_at');
    table.bigInteger('removed_at');
    table.integer('seen_pass').notNullable().defaultTo(0);
    timeColumns(table);
    table.unique(['github_app_id', 'external_id']);
  });
  await db.schema.createTable('repositories', (table) => {
    idColumn(table);
    table.text('github_app_id').notNullable().references('github_apps.id');
    table.text('installation_id').notNullable().references('installations.id');
    table.bigInteger('external_id').notNullable();
    table.text('owner').notNullable();
    table.text('name').notNullable();
    table.text('full_name').notNullable();
    table.text('url').notNullable();
    table.text('visibility').notNullable();
    table.text('default_branch').notNullable();
    table.boolean('archived').notNullable().defaultTo(false);
    // Set while the installation no longer reaches it: the row stays, so that coming back restores what hangs on it.
    table.bigInteger('removed_at');
    table.integer('seen_pass').notNullable().defaultTo(0);
    timeColumns(table);
    table.unique(['github_app_id', 'external_id']);
    table.index(['installation_id', 'id']);
  });
  await db.schema.createTable('integrations', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').references('projects.id');
    // The project, or the organization where it has none: what its identity is unique within.
    table.text('owner_id').notNullable();
    table.text('kind').notNullable();
    table.text('host_url').notNullable();
    table.text('auth_mode').notNullable();
    table.text('status').notNullable();
    table.text('status_reason');
    table.text('display_name').notNullable();
    table.text('metadata').notNullable();
    table.text('identity_key').notNullable();
    table.text('github_app_id').references('github_apps.id');
    table.text('created_by').notNullable();
    table.integer('revision').notNullable().defaultTo(1);
    timeColumns(table);
    table.index(['org_id', 'id']);
    table.index(['project_id', 'id']);
    table.check(oneOf('kind', ['github', 'gitlab', 'git', 'ecr', 'gar', 'acr', 'dockerhub', 'oci']));
    table.check(oneOf('auth_mode', ['github_app', 'oauth_app', 'personal_token', 'basic', 'cloud_account']));
    table.check(
      oneOf('status', [
        'pending',
        'registered',
        'awaiting_approval',
        'active',
        'degraded',
        'reauth_required',
        'suspended',
        'disconnected',
        'expired',
        'deleting',
        'deleted',
      ]),
    );
  });
  // One connection to the same thing per owner; what is deleted or never came to be does not stand in the way.
  await db.raw(
    `create unique index integrations_identity on integrations (owner_id, identity_key) where status not in ('deleted', 'expired')`,
  );
  await db.schema.createTable('bindings', (table) => {
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('installation_id').notNullable().references('installations.id');
    table.text('owner_id').notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['integration_id', 'installation_id']);
    table.unique(['owner_id', 'installation_id']);
    table.index(['installation_id']);
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['bindings', 'integrations', 'repositories', 'installations', 'github_apps']) {
    await db.schema.dropTable(table);
  }
}
