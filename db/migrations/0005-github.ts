import type { Knex } from 'knex';
import { idColumn, timeColumns } from './columns.ts';

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
    // Counts the passes that read the App's installations. A pass writes its number to each row that it has seen.
    table.integer('sync_pass').notNullable().defaultTo(0);
    table.bigInteger('synced_at');
    table.text('sync_error');
    timeColumns(table);
    // When another organization took over the App. The row keeps what belongs to the organization that had it before.
    table.bigInteger('retired_at');
  });
  await db.raw('create unique index github_apps_number on github_apps (host_url, app_id) where retired_at is null');
  await db.schema.createTable('installations', (table) => {
    idColumn(table);
    // The organization that has proven that it owns the account. Null until one has claimed it.
    table.text('org_id').references('orgs.id');
    table.text('github_app_id').notNullable().references('github_apps.id');
    table.bigInteger('external_id').notNullable();
    table.text('account_login').notNullable();
    table.bigInteger('account_id').notNullable();
    table.text('target_type').notNullable();
    table.text('repository_selection').notNullable();
    table.text('permissions').notNullable();
    // The permissions that Fairlead needs and was not granted, as JSON. Null if none is missing.
    table.text('missing_permissions');
    table.text('events').notNullable();
    table.bigInteger('suspended_at');
    table.bigInteger('removed_at');
    // When an event removed or suspended it, until GitHub confirms that: events come late and more than once.
    table.bigInteger('unconfirmed_at');
    table.integer('seen_pass').notNullable().defaultTo(0);
    // Why the latest pass could not read its repositories. Null once a pass could.
    table.text('sync_error');
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
    // Set while the installation cannot access it. The row stays, so that its apps work again when access returns.
    table.bigInteger('removed_at');
    // When an event removed it, until GitHub confirms that: events come late and more than once.
    table.bigInteger('unconfirmed_at');
    table.integer('seen_pass').notNullable().defaultTo(0);
    table.integer('seen_page');
    timeColumns(table);
    table.unique(['github_app_id', 'external_id']);
    table.index(['installation_id', 'id']);
    table.index(['installation_id', 'seen_page'], 'repositories_seen_page');
  });
  // The pages of an installation's repositories, with the ETags that GitHub compares with.
  await db.schema.createTable('repository_pages', (table) => {
    table.text('installation_id').notNullable().references('installations.id');
    table.integer('page').notNullable();
    table.integer('next_page');
    table.text('etag');
    table.integer('total_count').notNullable();
    // How many repositories were on it. While the page is up to date, as many rows have it as their `seen_page`.
    table.integer('repositories').notNullable();
    table.integer('seen_pass').notNullable();
    table.bigInteger('read_at').notNullable();
    table.primary(['installation_id', 'page']);
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['repository_pages', 'repositories', 'installations', 'github_apps'])
    await db.schema.dropTable(table);
}
