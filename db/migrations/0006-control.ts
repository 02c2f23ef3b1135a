import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('commands', (table) => {
    idColumn(table);
    table.text('action').notNullable();
    table.text('workflow').notNullable();
    table.text('workflow_id').notNullable();
    table.text('signal');
    table.text('input').notNullable();
    table.text('attributes').notNullable();
    table.text('summary').notNullable();
    table.text('status').notNullable();
    table.text('last_error');
    table.integer('attempts').notNullable().defaultTo(0);
    // Not before this time: the back-off after a failure, and the claim of the relay that is at it.
    table.bigInteger('due_at').notNullable();
    timeColumns(table);
    table.check(oneOf('action', ['start', 'signal', 'signal_with_start']));
    table.check(oneOf('status', ['pending', 'done', 'failed']));
  });
  await db.raw(`create index commands_pending on commands (due_at, id) where status = 'pending'`);
  await db.raw(`create index commands_of_workflow on commands (workflow_id, id) where status = 'pending'`);
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
    // Since when somebody works on it: what is asked for later waits for the next round.
    table.bigInteger('taken_up_at');
    timeColumns(table);
    table.bigInteger('finished_at');
    table.check(oneOf('status', ['running', 'succeeded', 'failed']));
  });
  await db.raw(`create index operations_running on operations (subject_id, kind) where status = 'running'`);
  await db.schema.createTable('idempotency_keys', (table) => {
    table.text('caller_id').notNullable();
    table.text('key').notNullable();
    table.text('fingerprint').notNullable();
    table.integer('status').notNullable();
    table.text('headers').notNullable();
    // Without the secret, where the answer held one: that is never stored.
    table.text('body');
    table.bigInteger('created_at').notNullable();
    table.primary(['caller_id', 'key']);
    table.index(['created_at']);
  });
  await db.schema.createTable('audit_events', (table) => {
    idColumn(table);
    // The organization's id, or `instance` for what belongs to none.
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
    table.text('status').notNullable();
    table.integer('count').notNullable().defaultTo(1);
    timeColumns(table);
    table.bigInteger('resolved_at');
    table.index(['org_id', 'id']);
    table.check(oneOf('status', ['open', 'resolved']));
  });
  // The same trouble twice is one incident that counts.
  await db.raw(`create unique index incidents_open on incidents (code, subject_id) where status = 'open'`);
  await db.schema.createTable('relays', (table) => {
    table.text('id').primary();
    table.bigInteger('seen_at').notNullable();
    table.boolean('temporal_reachable').notNullable();
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['relays', 'incidents', 'audit_events', 'idempotency_keys', 'operations', 'commands']) {
    await db.schema.dropTable(table);
  }
}
