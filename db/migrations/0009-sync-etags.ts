import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  // A page of an installation's repositories as it was read last: what GitHub is asked to compare with.
  await db.schema.createTable('repository_pages', (table) => {
    table.text('installation_id').notNullable().references('installations.id');
    table.integer('page').notNullable();
    table.integer('next_page');
    table.text('etag');
    table.integer('total_count').notNullable();
    // How many repositories were on it: as many have this page as their `seen_page` while it still says what they are.
    table.integer('repositories').notNullable();
    table.integer('seen_pass').notNullable();
    table.bigInteger('read_at').notNullable();
    table.primary(['installation_id', 'page']);
  });
  await db.schema.alterTable('repositories', (table) => {
    table.integer('seen_page');
    table.index(['installation_id', 'seen_page'], 'repositories_seen_page');
  });
  // Why the latest pass could not read its repositories; null once one could.
  await db.schema.alterTable('installations', (table) => {
    table.text('sync_error');
  });
}

export async function down(db: Knex): Promise<void> {
  await db.raw('alter table installations drop column sync_error');
  await db.raw('drop index repositories_seen_page');
  await db.raw('alter table repositories drop column seen_page');
  await db.schema.dropTable('repository_pages');
}
