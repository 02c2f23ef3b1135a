import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  // When a sync queued an ignored delivery again. A sync does this once for each delivery.
  await db.schema.alterTable('deliveries', (table) => {
    table.bigInteger('rearmed_at');
  });
  // The relay lets GitHub Apps take turns.
  await db.raw(`create index deliveries_pending_of_app on deliveries (github_app_id, id) where status = 'received'`);
  // The relay reads large bodies apart from the others.
  await db.raw(`create index deliveries_pending_large on deliveries (id) where status = 'received' and size >= 262144`);
  await db.raw(`create index deliveries_ignored on deliveries (github_app_id, received_at) where status = 'ignored'`);
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index deliveries_ignored');
  await db.raw('drop index deliveries_pending_large');
  await db.raw('drop index deliveries_pending_of_app');
  await db.schema.alterTable('deliveries', (table) => {
    table.dropColumn('rearmed_at');
  });
}
