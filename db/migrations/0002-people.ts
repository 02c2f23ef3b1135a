import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('orgs', (table) => {
    idColumn(table);
    table.text('name').notNullable();
    table.integer('revision').notNullable().defaultTo(1);
    timeColumns(table);
    table.bigInteger('deleted_at');
  });
  await db.schema.createTable('projects', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('name').notNullable();
    table.integer('revision').notNullable().defaultTo(1);
    timeColumns(table);
    table.bigInteger('deleted_at');
    table.index(['org_id', 'id']);
  });
  await db.schema.createTable('users', (table) => {
    idColumn(table);
    table.text('name').notNullable();
    table.boolean('ops').notNullable().defaultTo(false);
    timeColumns(table);
  });
  await db.schema.createTable('memberships', (table) => {
    table.text('org_id').notNullable().references('orgs.id');
    table.text('user_id').notNullable().references('users.id');
    table.text('role').notNullable();
    timeColumns(table);
    table.primary(['user_id', 'org_id']);
    table.check(oneOf('role', ['viewer', 'developer', 'admin', 'owner']));
  });
  await db.schema.createTable('sign_in_links', (table) => {
    table.text('code_hash').primary();
    table.text('user_id').notNullable().references('users.id');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('used_at');
  });
  await db.schema.createTable('sessions', (table) => {
    idColumn(table);
    table.text('user_id').notNullable().references('users.id');
    table.text('hash').notNullable().unique();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('revoked_at');
  });
  await db.schema.createTable('tokens', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').references('projects.id');
    // A token can be limited to one app or one build.
    table.text('app_id');
    table.text('build_id');
    table.text('name').notNullable();
    table.text('hash').notNullable().unique();
    // The first characters of the token. They tell a person which token a log or a vault holds.
    table.text('hint').notNullable();
    table.text('scopes').notNullable();
    table.text('created_by').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at');
    table.bigInteger('last_used_at');
    table.bigInteger('revoked_at');
    table.index(['org_id', 'id']);
  });
  // A build's tokens are looked up when it ends.
  await db.raw('create index tokens_build_id on tokens (build_id) where build_id is not null');
  // The tokens that a token has made end with it. The others count the live tokens of a build and an organization.
  await db.raw('create index tokens_live_by_maker on tokens (created_by) where revoked_at is null');
  await db.raw('create index tokens_live_by_build on tokens (build_id) where revoked_at is null');
  await db.raw('create index tokens_live_by_org on tokens (org_id) where revoked_at is null and build_id is null');
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['tokens', 'sessions', 'sign_in_links', 'memberships', 'users', 'projects', 'orgs'])
    await db.schema.dropTable(table);
}
