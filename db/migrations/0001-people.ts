import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('instance', (table) => {
    table.text('key').primary();
    table.text('value').notNullable();
  });
  await db.schema.createTable('orgs', (table) => {
    idColumn(table);
    table.text('name').notNullable();
    table.integer('revision').notNullable().defaultTo(1);
    timeColumns(table);
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
    table.text('name').notNullable();
    table.text('hash').notNullable().unique();
    // The first characters of the token, so that a person can tell which one a log or a vault holds.
    table.text('hint').notNullable();
    table.text('scopes').notNullable();
    table.text('created_by').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at');
    table.bigInteger('last_used_at');
    table.bigInteger('revoked_at');
    table.index(['org_id', 'id']);
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['tokens', 'sessions', 'sign_in_links', 'memberships', 'users', 'projects', 'orgs', 'instance']) {
    await db.schema.dropTable(table);
  }
}
