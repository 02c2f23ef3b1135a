import type { Knex } from 'knex';
import { idColumn } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  // The keys with which Fairlead, as an OIDC issuer, signs what it shows to a cloud. They are the instance's.
  await db.schema.createTable('signing_keys', (table) => {
    idColumn(table);
    table.text('kid').notNullable().unique();
    table.text('alg').notNullable();
    table.text('public_jwk').notNullable();
    // Destroyed once it signs no more; the public half stays published a while longer.
    table.text('sealed');
    table.text('key_id');
    table.bigInteger('published_at').notNullable();
    table.bigInteger('signs_from').notNullable();
    // Known once there is a successor.
    table.bigInteger('signs_until');
    table.bigInteger('removed_at');
  });
  // Each key but the newest has its end: of two that are made at once, the second finds no place.
  await db.raw(
    'create unique index signing_keys_one_newest on signing_keys ((signs_until is null)) where signs_until is null',
  );
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('signing_keys');
}
