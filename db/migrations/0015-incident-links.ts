import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('incidents', (table) => {
    // Where the action is done, where that is a page.
    table.text('link');
    table.index(['project_id', 'id']);
    table.index(['subject_id', 'id']);
  });
  // For who looks for builds without news: the few that are under way, however many there were.
  await db.raw('create index builds_unfinished on builds (updated_at) where finished_at is null');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index builds_unfinished');
  await db.schema.alterTable('incidents', (table) => {
    table.dropIndex(['project_id', 'id']);
    table.dropIndex(['subject_id', 'id']);
  });
  await db.raw('alter table incidents drop column link');
}
