import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  // When the body was deleted because of its age. The row stays, so that the delivery still counts only once.
  await db.schema.alterTable('deliveries', (table) => {
    table.bigInteger('body_removed_at');
  });
  // Before a row is deleted, the rows that refer to it are looked up.
  await db.raw('create index decisions_of_build on decisions (build_id) where build_id is not null');
  await db.raw('create index builds_reruns on builds (rerun_of) where rerun_of is not null');
  await db.raw('create index rotations_of_operation on rotations (operation_id)');
  await db.raw(
    'create index rotations_of_rollback on rotations (rollback_operation_id) where rollback_operation_id is not null',
  );
}

export async function down(db: Knex): Promise<void> {
  for (const index of ['rotations_of_rollback', 'rotations_of_operation', 'builds_reruns', 'decisions_of_build'])
    await db.raw(`drop index ${index}`);
  await db.schema.alterTable('deliveries', (table) => {
    table.dropColumn('body_removed_at');
  });
}
