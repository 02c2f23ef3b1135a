import type { Knex } from 'knex';
import { oneOf } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('deliveries', (table) => {
    // `pulled` was read from the provider's log, `synthetic` follows from a head that nobody told us of.
    table.text('origin').notNullable().defaultTo('webhook');
  });
  // Up to when the provider's log of deliveries is known to be here whole.
  await db.schema.createTable('delivery_watermarks', (table) => {
    table.text('github_app_id').primary().references('github_apps.id');
    table.bigInteger('complete_until').notNullable();
    // The claim of whoever reads the log next, where several may.
    table.bigInteger('polled_at').notNullable().defaultTo(0);
    table.bigInteger('updated_at').notNullable();
  });
  // The head of each branch that was decided last.
  await db.schema.createTable('ref_heads', (table) => {
    table.text('repository_id').notNullable().references('repositories.id');
    table.text('ref').notNullable();
    table.text('sha').notNullable();
    // The provider's time of the push, ms: what was pushed before does not overwrite what was pushed later.
    table.bigInteger('pushed_at').notNullable();
    table.text('origin').notNullable();
    // The head that we noticed last by ourselves, and when: the provider may tell of it after the branch went on.
    table.text('noticed_sha');
    table.bigInteger('noticed_at');
    table.primary(['repository_id', 'ref']);
    table.check(oneOf('origin', ['webhook', 'pulled', 'synthetic']));
  });
  // The repositories whose heads are to be looked at, since a part of the log was lost before it was read.
  await db.schema.createTable('head_checks', (table) => {
    table.text('repository_id').primary().references('repositories.id');
    table.text('github_app_id').notNullable().references('github_apps.id').index();
    table.bigInteger('created_at').notNullable();
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['head_checks', 'ref_heads', 'delivery_watermarks']) await db.schema.dropTable(table);
  await db.schema.alterTable('deliveries', (table) => table.dropColumn('origin'));
}
