import type { Knex } from 'knex';
import { idColumn, oneOf } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('deliveries', (table) => {
    idColumn(table);
    // None until it is decided: webhooks arrive for an App, and the installation tells whose they are.
    table.text('org_id').references('orgs.id');
    table.text('github_app_id').notNullable().references('github_apps.id');
    table.text('provider_delivery_id').notNullable();
    table.text('event').notNullable();
    // The verified signature, for the events that trigger builds: the same bytes cannot count twice.
    table.text('content_key');
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
    // The claim that makes one build of each match.
    table.primary(['delivery_id', 'pipeline_id']);
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['decisions', 'delivery_bodies', 'deliveries']) await db.schema.dropTable(table);
}
