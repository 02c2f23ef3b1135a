import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('credentials', (table) => {
    idColumn(table);
    table.text('org_id').references('orgs.id');
    table.text('github_app_id').references('github_apps.id');
    table.text('integration_id').references('integrations.id');
    // Their table comes with a later migration.
    table.text('cloud_account_id');
    table.text('kind').notNullable();
    timeColumns(table);
    table.unique(['github_app_id', 'kind']);
    table.unique(['integration_id', 'kind']);
    table.unique(['cloud_account_id', 'kind']);
    // Of exactly one of them.
    const owners = ['github_app_id', 'integration_id', 'cloud_account_id'];
    table.check(`${owners.map((owner) => `(case when ${owner} is null then 0 else 1 end)`).join(' + ')} = 1`);
  });
  await db.schema.createTable('credential_versions', (table) => {
    idColumn(table);
    table.text('credential_id').notNullable().references('credentials.id');
    table.integer('version').notNullable();
    table.text('status').notNullable();
    // `<key id>.<nonce and box in base64>`; none once purged.
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
  // At most one active version, whatever two racing rotations believe.
  await db.raw(
    `create unique index credential_versions_one_active on credential_versions (credential_id) where status = 'active'`,
  );
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('credential_versions');
  await db.schema.dropTable('credentials');
}
