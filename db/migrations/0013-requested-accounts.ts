import type { Knex } from 'knex';

const columns = ['requested_login', 'requested_at', 'account_choices'];

export async function up(db: Knex): Promise<void> {
  await db.schema.alterTable('connect_flows', (table) => {
    // The name of the account whose owner was asked, as GitHub returned it last.
    table.text('requested_login');
    // When the browser came back from GitHub with the news that an owner was asked.
    table.bigInteger('requested_at');
    // The accounts of which the person chooses the one that this flow asked for, as JSON.
    table.text('account_choices');
  });
  // Other flows of the same person can have asked for the same account.
  await db.raw(
    'create index connect_flows_of_person on connect_flows (github_app_id, github_user_id) where github_user_id is not null',
  );
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index connect_flows_of_person');
  await db.schema.alterTable('connect_flows', (table) => table.dropColumns(...columns));
}
