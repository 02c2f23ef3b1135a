import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('connect_flows', (table) => {
    // It is to end at the accounts that its integration has: a new one is connected by another flow.
    table.boolean('reauthorizes').notNullable().defaultTo(false);
  });
  // What ends with a token: those that it has made. And how many there are, of a build and of an organization.
  await db.raw('create index tokens_live_by_maker on tokens (created_by) where revoked_at is null');
  await db.raw('create index tokens_live_by_build on tokens (build_id) where revoked_at is null');
  await db.raw('create index tokens_live_by_org on tokens (org_id) where revoked_at is null and build_id is null');
}

export async function down(db: Knex): Promise<void> {
  for (const of of ['org', 'build', 'maker']) await db.raw(`drop index tokens_live_by_${of}`);
  await db.schema.alterTable('connect_flows', (table) => table.dropColumn('reauthorizes'));
}
