import type { Knex } from 'knex';

/** Stores what a workflow acts on, so that an input of Temporal alone makes nothing happen. */
export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('builds', (table) => {
    // How GitHub said that the build's run ended, as JSON.
    table.text('run_end');
  });
  await db.schema.alterTable('github_apps', (table) => {
    // When the latest pass began, and whether it is still to end.
    table.bigInteger('sync_begun_at');
    table.boolean('sync_open').notNullable().defaultTo(false);
  });
  // A pass that is under way during the upgrade can end.
  await db('github_apps').update({ sync_open: true });
  await db.raw('create index commands_by_workflow on commands (workflow_id, created_at)');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index commands_by_workflow');
  await db.schema.alterTable('github_apps', (table) => table.dropColumns('sync_begun_at', 'sync_open'));
  await db.schema.alterTable('builds', (table) => table.dropColumns('run_end'));
}
