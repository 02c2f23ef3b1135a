import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('integrations', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').references('projects.id');
    // The project, or the organization if there is no project. The identity is unique within it.
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
    // Refers to `cloud_accounts` without a foreign key.
    table.text('cloud_account_id');
    // Where a registry is and how Fairlead connects to it. Holds no secrets.
    table.text('settings').notNullable().defaultTo('{}');
    table.bigInteger('checked_at');
    table.bigInteger('last_success_at');
    table.bigInteger('next_check_at');
    table.bigInteger('expires_at');
    // Consecutive checks that got no answer.
    table.integer('strikes').notNullable().defaultTo(0);
    // Consecutive checks that the registry refused and that Fairlead does not believe yet.
    table.integer('refusals').notNullable().defaultTo(0);
    // Goes up when the integration is cut off: a token requested before that is not issued after it.
    table.integer('epoch').notNullable().defaultTo(0);
    // What the owner asked the provider to revoke on deletion, and the outcome.
    table.text('revocation');
    table.text('revocation_outcome');
    table.text('created_by').notNullable();
    table.integer('revision').notNullable().defaultTo(1);
    timeColumns(table);
    table.bigInteger('deleted_at');
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
  // An owner has one connection to each identity. Deleted and expired integrations do not count.
  await db.raw(
    `create unique index integrations_identity on integrations (owner_id, identity_key) where status not in ('deleted', 'expired')`,
  );
  await db.raw(
    'create index integrations_cloud_account on integrations (cloud_account_id) where cloud_account_id is not null',
  );
  await db.raw('create index integrations_checks on integrations (next_check_at) where next_check_at is not null');
  await db.raw('create index integrations_expiry on integrations (expires_at) where expires_at is not null');
  await db.schema.createTable('bindings', (table) => {
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('installation_id').notNullable().references('installations.id');
    table.text('owner_id').notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['integration_id', 'installation_id']);
    table.unique(['owner_id', 'installation_id']);
    table.index(['installation_id']);
  });
  // A project that may use an integration of its organization.
  await db.schema.createTable('grants', (table) => {
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('project_id').notNullable().references('projects.id');
    table.text('org_id').notNullable().references('orgs.id');
    table.text('created_by').notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['integration_id', 'project_id']);
    table.index(['project_id']);
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['grants', 'bindings', 'integrations']) await db.schema.dropTable(table);
}
