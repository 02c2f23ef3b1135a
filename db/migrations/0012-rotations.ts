import type { Knex } from 'knex';
import { idColumn, oneOf } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  // One replacement of a credential by a new version, from the request until the old version is gone.
  await db.schema.createTable('rotations', (table) => {
    idColumn(table);
    table.text('org_id').references('orgs.id');
    table.text('project_id').references('projects.id');
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('credential_id').notNullable().references('credentials.id');
    // What somebody may wait for: that the new version is in use, and later that the old one is again.
    table.text('operation_id').notNullable().references('operations.id');
    table.text('rollback_operation_id').references('operations.id');
    table.text('mode').notNullable();
    table.text('phase').notNullable();
    // Numbers of the versions: the one to be used, and the one to be ended. They change places in a rollback.
    table.integer('new_version').notNullable();
    table.integer('old_version').notNullable();
    // Written down before the provider is first told of a version, since it may act although its answer is lost.
    table.bigInteger('told_at');
    table.text('requested_by').notNullable();
    table.bigInteger('started_at').notNullable();
    table.bigInteger('updated_at').notNullable();
    table.bigInteger('finished_at');
    table.check(oneOf('mode', ['auto', 'assisted']));
    table.check(
      oneOf('phase', [
        'proving',
        'overlapping',
        'rolling_back',
        'returning',
        'done',
        'rolled_back',
        'rejected',
        'uncertain',
        'abandoned',
      ]),
    );
  });
  // At most one under way for each credential, however many ask at once.
  await db.raw('create unique index rotations_one_open on rotations (credential_id) where finished_at is null');
  // The flow that made an App knows whose it is.
  await db.raw('create index connect_flows_of_app on connect_flows (github_app_id)');
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index connect_flows_of_app');
  await db.schema.dropTable('rotations');
}
