import type { Knex } from 'knex';

/** The metrics count the builds of the last hour at each scrape, from this index alone. */
export async function up(db: Knex): Promise<void> {
  await db.raw('create index builds_ended on builds (finished_at, status, reason) where finished_at is not null');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index builds_ended');
}
