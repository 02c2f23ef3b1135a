import type { Knex } from 'knex';
import { idColumn, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  // A person on their way through Google's consent.
  await db.schema.createTable('google_consents', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').references('projects.id');
    // Whose consent is given anew; none where it makes an account.
    table.text('cloud_account_id').references('cloud_accounts.id');
    table.text('display_name').notNullable();
    table.text('created_by').notNullable();
    // With which our own page is opened, and what Google brings back: hashes, both.
    table.text('ticket_hash').notNullable().unique();
    table.text('state_hash').unique();
    table.text('sealed_verifier');
    // The one browser that goes through it, by the hash of its cookie.
    table.text('browser_hash');
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('landed_at');
    timeColumns(table);
    table.index(['org_id', 'expires_at']);
    table.index(['expires_at']);
  });
}

export async function down(db: Knex): Promise<void> {
  await db.schema.dropTable('google_consents');
}
