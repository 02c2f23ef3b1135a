import type { Knex } from 'knex';
import { idColumn, oneOf, timeColumns } from './columns.ts';

export async function up(db: Knex): Promise<void> {
  await db.schema.createTable('connect_flows', (table) => {
    idColumn(table);
    table.text('org_id').notNullable().references('orgs.id');
    table.text('project_id').references('projects.id');
    table.text('kind').notNullable();
    table.text('created_by').notNullable();
    table.text('host_url').notNullable();
    table.text('api_url').notNullable();
    // The id of a manifest's App is chosen before the App exists, because its webhook address contains the id.
    table.text('github_app_id').notNullable();
    table.text('integration_id').references('integrations.id');
    table.text('display_name');
    table.text('app_name').notNullable();
    table.boolean('app_public').notNullable().defaultTo(false);
    table.text('account_login');
    table.bigInteger('account_id');
    table.text('redirect_url');
    table.text('status').notNullable();
    table.text('reason');
    table.text('detail');
    // The hash of the cookie of the one browser that may go through the flow.
    table.text('browser_hash');
    // One-time codes on their way from the browser to the worker. Null once they are used.
    table.text('sealed_manifest_code');
    table.text('sealed_sign_in_code');
    // Set before the conversion request is sent. Tells that its response may have been lost.
    table.bigInteger('conversion_sent_at');
    table.bigInteger('claimed_installation');
    table.text('setup_action');
    table.bigInteger('github_user_id');
    table.text('github_login');
    // How the person proved that they own the account: `account` or `membership`.
    table.text('owner_proof');
    table.bigInteger('owner_proof_account');
    table.bigInteger('requested_account');
    table.bigInteger('approved_installation');
    table.bigInteger('confirmed_at');
    // Limits the flow to the accounts that its integration has. A new account needs another flow.
    table.boolean('reauthorizes').notNullable().defaultTo(false);
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('finished_at');
    timeColumns(table);
    table.index(['org_id', 'id']);
    table.check(oneOf('kind', ['manifest', 'operator', 'own']));
    table.check(
      oneOf('status', [
        'created',
        'page_served',
        'code_received',
        'app_created',
        'install_pending',
        'awaiting_approval',
        'completed',
        'rejected',
        'expired',
        'canceled',
        'failed',
      ]),
    );
    table.check(`(finished_at is not null) = (status in ('completed', 'rejected', 'expired', 'canceled', 'failed'))`);
  });
  // A webhook about an App looks for its open flows.
  await db.raw('create index connect_flows_open on connect_flows (github_app_id) where finished_at is null');
  await db.raw('create index connect_flows_of_app on connect_flows (github_app_id)');
  await db.schema.createTable('flow_states', (table) => {
    // The hash of the value that the browser carries.
    table.text('hash').primary();
    table.text('flow_id').notNullable().references('connect_flows.id');
    table.text('purpose').notNullable();
    table.text('sealed_verifier');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('used_at');
    // The hash of the callback. Tells a repeated callback from a different one.
    table.text('answer_hash');
    table.index(['flow_id']);
    table.check(oneOf('purpose', ['ticket', 'create', 'manifest', 'install', 'oauth']));
  });
  // Who made or requested an installation, as the signed webhook said. One of the proofs of who owns the account.
  await db.schema.createTable('installation_witnesses', (table) => {
    table.text('github_app_id').notNullable().references('github_apps.id');
    table.bigInteger('external_id').notNullable();
    table.text('role').notNullable();
    table.bigInteger('github_user_id').notNullable();
    table.bigInteger('account_id').notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['github_app_id', 'external_id', 'role']);
    table.check(oneOf('role', ['sender', 'requester']));
  });
}

export async function down(db: Knex): Promise<void> {
  for (const table of ['installation_witnesses', 'flow_states', 'connect_flows']) await db.schema.dropTable(table);
}
