import type { Knex } from 'knex';
import { idColumn, oneOf } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('deliveries', (table) => {
    idColumn(table);
    // Null until it is decided: webhooks arrive for an App, and the installation tells which organization owns them.
    table.text('org_id').references('orgs.id');
    table.text('github_app_id').notNullable().references('github_apps.id');
    table.text('provider_delivery_id').notNullable();
    table.text('event').notNullable();
    // The verified signature, for events that trigger builds. Prevents a replay of the same bytes.
    table.text('content_key');
    // `webhook` was received, `pulled` was read from GitHub's log, `synthetic` follows from a branch head that Fairlead
    // noticed without a delivery.
    table.text('origin').notNullable().defaultTo('webhook');
    table.text('headers').notNullable();
    table.integer('size').notNullable();
    table.text('status').notNullable();
    table.text('reason');
    table.text('action');
    table.bigInteger('installation_external_id');
    table.bigInteger('repository_external_id');
    table.integer('attempts').notNullable().defaultTo(0);
    table.bigInteger('received_at').notNullable();
    table.bigInteger('decided_at');
    table.unique(['github_app_id', 'provider_delivery_id']);
    table.check(oneOf('status', ['received', 'processed', 'ignored', 'failed']));
  });
  await db.raw(
    'create unique index deliveries_content on deliveries (github_app_id, content_key) where content_key is not null',
  );
  await db.raw(`create index deliveries_pending on deliveries (id) where status = 'received'`);
  await db.raw('create index deliveries_of_org on deliveries (org_id, id) where org_id is not null');
  await db.schema.createTable('delivery_bodies', (table) => {
    table.text('delivery_id').primary().references('deliveries.id');
    table.binary('body').notNullable();
  });
  await db.schema.createTable('decisions', (table) => {
    table.text('delivery_id').notNullable().references('deliveries.id');
    table.text('pipeline_id').notNullable().references('pipelines.id');
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').notNullable().references('projects.id');
    table.text('outcome').notNullable();
    table.text('reason').notNullable();
    table.text('build_id').references('builds.id');
    table.bigInteger('created_at').notNullable();
    // Makes at most one build of each match.
    table.primary(['delivery_id', 'pipeline_id']);
  });
  // Up to when Fairlead has stored all deliveries of GitHub's log.
  await db.schema.createTable('delivery_watermarks', (table) => {
    table.text('github_app_id').primary().references('github_apps.id');
    table.bigInteger('complete_until').notNullable();
    // The claim of the worker that reads the log next.
    table.bigInteger('polled_at').notNullable().defaultTo(0);
    table.bigInteger('updated_at').notNullable();
  });
  // The head of each branch that was decided last.
  await db.schema.createTable('ref_heads', (table) => {
    table.text('repository_id').notNullable().references('repositories.id');
    table.text('ref').notNullable();
    table.text('sha').notNullable();
    // The provider's time of the push, in ms. An earlier push does not overwrite a later one.
    table.bigInteger('pushed_at').notNullable();
    table.text('origin').notNullable();
    // The head that Fairlead last noticed without a delivery, and when. Its delivery can arrive after later pushes.
    table.text('noticed_sha');
    table.bigInteger('noticed_at');
    table.primary(['repository_id', 'ref']);
    table.check(oneOf('origin', ['webhook', 'pulled', 'synthetic']));
  });
  // The repositories whose heads must be checked, because a part of the log was lost before it was read.
  await db.schema.createTable('head_checks', (table) => {
    table.text('repository_id').primary().references('repositories.id');
    table.text('github_app_id').notNullable().references('github_apps.id').index();
    table.bigInteger('created_at').notNullable();
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['head_checks', 'ref_heads', 'delivery_watermarks', 'decisions', 'delivery_bodies', 'deliveries'])
    await db.schema.dropTable(table);
}
