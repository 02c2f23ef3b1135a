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
    // Of a manifest's App the id is given out before the App is there: its webhook address has it.
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
    // The one browser that goes through it, by the hash of its cookie.
    table.text('browser_hash');
    // One-time codes on their way from the browser to the worker; gone once they were used.
    table.text('sealed_manifest_code');
    table.text('sealed_sign_in_code');
    // The write-ahead mark of a conversion: whether its answer may have been lost.
    table.bigInteger('conversion_sent_at');
    table.bigInteger('claimed_installation');
    table.text('setup_action');
    table.bigInteger('github_user_id');
    table.text('github_login');
    // How the person was shown to own the account that they signed in for: `account` or `membership`.
    table.text('owner_proof');
    table.bigInteger('owner_proof_account');
    table.bigInteger('requested_account');
    table.bigInteger('approved_installation');
    table.bigInteger('confirmed_at');
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
  // The flows that a webhook about this App may concern.
  await db.raw('create index connect_flows_open on connect_flows (github_app_id) where finished_at is null');

  await db.schema.createTable('flow_states', (table) => {
    // What the browser carries is kept as its hash only.
    table.text('hash').primary();
    table.text('flow_id').notNullable().references('connect_flows.id');
    table.text('purpose').notNullable();
    table.text('sealed_verifier');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('expires_at').notNullable();
    table.bigInteger('used_at');
    // Of what came back with it, so that the same again is told from something else.
    table.text('answer_hash');
    table.index(['flow_id']);
    table.check(oneOf('purpose', ['ticket', 'create', 'manifest', 'install', 'oauth']));
  });

  // Who made or asked for an installation, as the signed webhook said: one of the proofs of who owns the account.
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
