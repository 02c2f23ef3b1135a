import type { Knex } from 'knex';

const tables = ['installations', 'repositories'];

export async function up(db: Knex): Promise<void> {
  for (const name of tables) {
    // When an event took it away or suspended it, until GitHub was asked: events come late, and more than once.
    await db.schema.alterTable(name, (table) => table.bigInteger('unconfirmed_at'));
  }
  await db.schema.alterTable('builds', (table) => {
    // Why whoever asked for its end wanted it: it becomes the build's reason once the run has ended.
    table.text('cancel_reason');
    // What has ended just now through an integration that is taken away, however many builds there were before.
    table.index(['integration_id', 'finished_at']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.alterTable('builds', (table) => {
    table.dropIndex(['integration_id', 'finished_at']);
  });
  await db.raw('alter table builds drop column cancel_reason');
  for (const name of tables) await db.raw(`alter table ${name} drop column unconfirmed_at`);
}
