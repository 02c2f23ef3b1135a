import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('github_apps', (table) => {
    // Since somebody else has taken over its App: what hangs on the row stays with whose it was.
    table.bigInteger('retired_at');
    table.dropUnique(['host_url', 'app_id']);
  });
  await db.raw('create unique index github_apps_number on github_apps (host_url, app_id) where retired_at is null');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index github_apps_number');
  await db.schema.alterTable('github_apps', (table) => {
    table.unique(['host_url', 'app_id']);
    table.dropColumn('retired_at');
  });
}
