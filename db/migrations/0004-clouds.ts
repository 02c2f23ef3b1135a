import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('cloud_accounts', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').references('projects.id');
    table.text('kind').notNullable();
    table.text('auth_mode').notNullable();
    table.text('display_name').notNullable();
    // Role, tenant, client, and the ExternalId that Fairlead made. Holds no secrets.
    table.text('config').notNullable();
    table.text('status').notNullable();
    table.text('status_reason');
    table.bigInteger('checked_at');
    table.text('created_by').notNullable();
    table.integer('revision').notNullable().defaultTo(1);
    // Goes up with each change that makes earlier access invalid.
    table.integer('epoch').notNullable().defaultTo(0);
    table.bigInteger('deleted_at');
    timeColumns(table);
    table.index(['org_id', 'id']);
    table.index(['project_id', 'id']);
    table.check(oneOf('kind', ['aws', 'gcp', 'azure']));
    table.check(oneOf('status', ['pending', 'active', 'action_required', 'deleted']));
  });
  // The keys with which Fairlead signs OIDC tokens for clouds. They belong to the instance.
  await db.schema.createTable('signing_keys', (table) => {
    idColumn(table);
    table.text('kid').notNullable().unique();
    table.text('alg').notNullable();
    table.text('public_jwk').notNullable();
    // Null once the key no longer signs. The public half stays published for longer.
    table.text('sealed');
    table.text('key_id');
    table.bigInteger('published_at').notNullable();
    table.bigInteger('signs_from').notNullable();
    // Null until there is a successor.
    table.bigInteger('signs_until');
    table.bigInteger('removed_at');
  });
  // Only the newest key has no end. Two keys made at once cannot both be the newest.
  await db.raw(
    'create unique index signing_keys_one_newest on signing_keys ((signs_until is null)) where signs_until is null',
  );
  // A person on the way through Google's consent.
  await db.schema.createTable('google_consents', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').references('projects.id');
    // The account whose consent is renewed. Null if the consent makes a new account.
    table.text('cloud_account_id').references('cloud_accounts.id');
    table.text('display_name').notNullable();
    table.text('created_by').notNullable();
    // The hashes of the ticket that opens Fairlead's page and of the `state` that Google returns.
    table.text('ticket_hash').notNullable().unique();
    table.text('state_hash').unique();
    table.text('sealed_verifier');
    // The hash of the cookie of the one browser that may give the consent.
    table.text('browser_hash');
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('landed_at');
    timeColumns(table);
    table.index(['org_id', 'expires_at']);
    table.index(['expires_at']);
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['google_consents', 'signing_keys', 'cloud_accounts']) await db.schema.dropTable(table);
}
