import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('operations', (table) => {
    idColumn(table);
    table.text('org_id').references('orgs.id');
    table.text('project_id').references('projects.id');
    table.text('kind').notNullable();
    table.text('subject_id').notNullable();
    table.text('workflow_id').notNullable();
    table.text('status').notNullable();
    table.text('error_code');
    table.text('error_detail');
    // When the work began. A later request waits for the next round.
    table.bigInteger('taken_up_at');
    timeColumns(table);
    table.bigInteger('finished_at');
    table.check(oneOf('status', ['running', 'succeeded', 'failed']));
  });
  await db.raw(`create index operations_running on operations (subject_id, kind) where status = 'running'`);
  await db.raw(`create index operations_deletions on operations (subject_id, id) where kind = 'delete'`);
  await db.schema.createTable('idempotency_keys', (table) => {
    table.text('caller_id').notNullable();
    table.text('key').notNullable();
    table.text('fingerprint').notNullable();
    table.integer('status').notNullable();
    table.text('headers').notNullable();
    // The response without its secret, if it held one: secrets are never stored here.
    table.text('body');
    table.bigInteger('created_at').notNullable();
    table.primary(['caller_id', 'key']);
    table.index(['created_at']);
  });
  await db.schema.createTable('audit_events', (table) => {
    idColumn(table);
    // The organization's id, or `instance` if the event belongs to none.
    table.text('chain').notNullable();
    table.text('org_id').references('orgs.id');
    table.text('project_id').references('projects.id');
    table.text('actor').notNullable();
    table.text('action').notNullable();
    table.text('target').notNullable();
    table.text('outcome').notNullable();
    table.text('ip');
    table.text('request_id');
    table.text('detail').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('sequence');
    table.text('previous_hash');
    table.text('hash');
    table.unique(['chain', 'sequence']);
    table.index(['chain', 'id']);
    table.check('(sequence is null) = (hash is null)');
  });
  await db.raw('create index audit_events_unchained on audit_events (chain, id) where sequence is null');
  await db.schema.createTable('incidents', (table) => {
    idColumn(table);
    table.text('org_id').references('orgs.id');
    table.text('project_id').references('projects.id');
    table.text('code').notNullable();
    table.text('subject_id').notNullable();
    table.text('title').notNullable();
    table.text('action').notNullable();
    // The page on which a person can take the action, if there is one.
    table.text('link');
    table.text('status').notNullable();
    table.integer('count').notNullable().defaultTo(1);
    timeColumns(table);
    table.bigInteger('resolved_at');
    table.index(['org_id', 'id']);
    table.index(['project_id', 'id']);
    table.index(['subject_id', 'id']);
    table.check(oneOf('status', ['open', 'resolved']));
  });
  // The same problem again raises the count of the open incident.
  await db.raw(`create unique index incidents_open on incidents (code, subject_id) where status = 'open'`);
  await db.schema.createTable('relays', (table) => {
    table.text('id').primary();
    table.bigInteger('seen_at').notNullable();
    table.boolean('temporal_reachable').notNullable();
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['relays', 'incidents', 'audit_events', 'idempotency_keys', 'operations'])
    await db.schema.dropTable(table);
}
