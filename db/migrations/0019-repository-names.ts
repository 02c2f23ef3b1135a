import type { Knex } from 'knex';

/** The former names of repositories. */
export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('repository_names', (table) => {
    // In lower case: GitHub ignores case.
    table.text('full_name').notNullable();
    table.text('github_app_id').notNullable().references('github_apps.id');
    table.text('repository_id').notNullable().references('repositories.id');
    table.bigInteger('created_at').notNullable();
    table.primary(['full_name', 'github_app_id']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('repository_names');
}
