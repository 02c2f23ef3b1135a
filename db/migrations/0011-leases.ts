import type { Knex } from 'knex';

/** For the lists of leases by build and by status, and for the sealed tokens that are to be forgotten. */
export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('leases', (table) => {
    table.dropIndex(['build_id']);
    table.index(['build_id', 'id']);
    table.index(['org_id', 'status', 'id']);
    table.index(['project_id', 'status', 'id']);
  });
  await db.raw('create index minted_tokens_sealed on minted_tokens (expires_at) where sealed is not null');
  // The tokens of a build are looked up by it when it ends.
  await db.raw('create index tokens_build_id on tokens (build_id) where build_id is not null');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index tokens_build_id');
  await db.raw('drop index minted_tokens_sealed');
  await db.schema.alterTable('leases', (table) => {
    table.dropIndex(['project_id', 'status', 'id']);
    table.dropIndex(['org_id', 'status', 'id']);
    table.dropIndex(['build_id', 'id']);
    table.index(['build_id']);
  });
}
