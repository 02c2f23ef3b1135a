import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('credentials', (table) => {
    idColumn(table);
    table.text('org_id').references('orgs.id');
    table.text('github_app_id').references('github_apps.id');
    table.text('integration_id').references('integrations.id');
    table.text('cloud_account_id');
    table.text('kind').notNullable();
    timeColumns(table);
    table.unique(['github_app_id', 'kind']);
    table.unique(['integration_id', 'kind']);
    table.unique(['cloud_account_id', 'kind']);
    // A credential belongs to exactly one of them.
    const owners = ['github_app_id', 'integration_id', 'cloud_account_id'];
    table.check(`${owners.map((owner) => `(case when ${owner} is null then 0 else 1 end)`).join(' + ')} = 1`);
  });
  await db.schema.createTable('credential_versions', (table) => {
    idColumn(table);
    table.text('credential_id').notNullable().references('credentials.id');
    table.integer('version').notNullable();
    table.text('status').notNullable();
    // `<key id>.<nonce and box in base64>`. Null once purged.
    table.text('sealed');
    table.text('key_id');
    timeColumns(table);
    table.unique(['credential_id', 'version']);
    table.check(
      oneOf('status', [
        'pending',
        'active',
        'retiring',
        'retired',
        'purged',
        'rejected',
        'expired',
        'revoked',
        'uncertain',
      ]),
    );
    table.check(`(status = 'purged') = (sealed is null)`);
  });
  await db.raw(
    `create index credential_versions_retiring on credential_versions (updated_at) where status = 'retiring'`,
  );
  // Two rotations that race cannot make two active versions.
  await db.raw(
    `create unique index credential_versions_one_active on credential_versions (credential_id) where status = 'active'`,
  );
  // One replacement of a credential by a new version, from the request until the old version is gone.
  await db.schema.createTable('rotations', (table) => {
    idColumn(table);
    table.text('org_id').references('orgs.id');
    table.text('project_id').references('projects.id');
    table.text('integration_id').notNullable().references('integrations.id');
    table.text('credential_id').notNullable().references('credentials.id');
    // Operations to wait for: the new version is in use, and later, after a rollback, the old one is again.
    table.text('operation_id').notNullable().references('operations.id');
    table.text('rollback_operation_id').references('operations.id');
    table.text('mode').notNullable();
    table.text('phase').notNullable();
    // The version to use and the version to end. A rollback swaps them.
    table.integer('new_version').notNullable();
    table.integer('old_version').notNullable();
    // Set before the first request to the provider, which may act although its response is lost.
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
  // A credential has at most one open rotation.
  await db.raw('create unique index rotations_one_open on rotations (credential_id) where finished_at is null');
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['rotations', 'credential_versions', 'credentials']) await db.schema.dropTable(table);
}
