import type { Knex } from 'knex';
import type { IdPrefix } from '../domain/ids.ts';
import type { Db, Transaction } from './store/connection.ts';

/** A kind of row that goes some time after what it describes has ended. */
export type Ended = {
  table: string;
  /** The prefix of its IDs. IDs begin with the time, so the primary key finds the old rows. */
  prefix: IdPrefix;
  /** Adds the conditions under which an old row is no longer needed. `before` is the end of the time for which it is. */
  due(rows: Knex.QueryBuilder, before: number, db: Db): Knex.QueryBuilder;
  /** Deletes what belongs to the rows, and clears references to them. */
  release?(trx: Transaction, ids: string[]): Promise<void>;
  /** The most rows in one transaction, if other rows belong to each. */
  atMost?: number;
};

/** The kinds in the order in which they are deleted: the rows that refer to others come first. */
export const history: readonly Ended[] = [
  // The row refuses duplicates of its webhook for as long as it is kept.
  {
    table: 'deliveries',
    prefix: 'dlv',
    atMost: 100,
    due: (rows, before, db) =>
      rows
        .whereNot('status', 'received')
        .where('decided_at', '<', before)
        .whereNotExists(db('delivery_bodies').whereRaw('delivery_bodies.delivery_id = deliveries.id'))
        .whereNotExists(db('large_body_parts').whereRaw('large_body_parts.delivery_id = deliveries.id')),
    async release(trx, ids) {
      await trx('decisions').whereIn('delivery_id', ids).delete();
    },
  },
  // A sealed token might still have to be revoked.
  {
    table: 'leases',
    prefix: 'lse',
    due: (rows, before, db) =>
      rows
        .where('expires_at', '<', before)
        .whereNotExists(
          db('minted_tokens').whereRaw('minted_tokens.id = leases.minted_token_id').whereNotNull('sealed'),
        ),
  },
  {
    table: 'minted_tokens',
    prefix: 'mnt',
    due: (rows, before, db) =>
      rows
        .where('expires_at', '<', before)
        .whereNull('sealed')
        .whereNotExists(db('leases').whereRaw('leases.minted_token_id = minted_tokens.id')),
  },
  // Each pipeline keeps its newest build, and the newest one that succeeded: this is what its environment runs.
  {
    table: 'builds',
    prefix: 'bld',
    atMost: 100,
    due: (rows, before, db) => {
      const newer = () =>
        db('builds as newer').whereRaw('newer.pipeline_id = builds.pipeline_id and newer.id > builds.id');
      return rows
        .where('finished_at', '<', before)
        .whereExists(newer())
        .where((one) => one.whereNot('status', 'succeeded').orWhereExists(newer().where('newer.status', 'succeeded')))
        .whereNotExists(db('decisions').whereRaw('decisions.build_id = builds.id'))
        .whereNotExists(db('leases').whereRaw('leases.build_id = builds.id'));
    },
    async release(trx, ids) {
      await trx('build_events').whereIn('build_id', ids).delete();
      await trx('dispatches').whereIn('build_id', ids).delete();
      await trx('builds').whereIn('rerun_of', ids).update({ rerun_of: null });
    },
  },
  // A person can revoke a token to end the tokens that it has created.
  {
    table: 'tokens',
    prefix: 'tok',
    due: (rows, before, db) =>
      rows
        .where((ended) => ended.where('revoked_at', '<', before).orWhere('expires_at', '<', before))
        .whereNotExists(
          db('tokens as made').whereRaw(`made.created_by = 'token:' || tokens.id`).whereNull('made.revoked_at'),
        ),
  },
  { table: 'rotations', prefix: 'rot', due: (rows, before) => rows.where('finished_at', '<', before) },
  // The operation of a deletion lives as long as the row of what was deleted.
  {
    table: 'operations',
    prefix: 'op',
    due: (rows, before, db) =>
      rows
        .where('finished_at', '<', before)
        .whereNot('kind', 'delete')
        .whereNotExists(db('rotations').whereRaw('rotations.operation_id = operations.id'))
        .whereNotExists(db('rotations').whereRaw('rotations.rollback_operation_id = operations.id')),
  },
  // The newest version stays, because the next one gets the next number. An open rotation names its versions.
  {
    table: 'credential_versions',
    prefix: 'crv',
    due: (rows, before, db) =>
      rows
        .where('status', 'purged')
        .where('updated_at', '<', before)
        .whereExists(
          db('credential_versions as newer').whereRaw(
            'newer.credential_id = credential_versions.credential_id and newer.version > credential_versions.version',
          ),
        )
        .whereNotExists(
          db('rotations')
            .whereRaw('rotations.credential_id = credential_versions.credential_id')
            .whereNull('finished_at'),
        ),
  },
  // The flow that created a GitHub App knows which account owns it.
  {
    table: 'connect_flows',
    prefix: 'flow',
    atMost: 100,
    due: (rows, before, db) =>
      rows
        .where('finished_at', '<', before)
        .where((one) =>
          one
            .whereNot('kind', 'manifest')
            .orWhereNotExists(db('github_apps').whereRaw('github_apps.id = connect_flows.github_app_id')),
        ),
    async release(trx, ids) {
      await trx('flow_states').whereIn('flow_id', ids).delete();
    },
  },
  { table: 'incidents', prefix: 'inc', due: (rows, before) => rows.where('resolved_at', '<', before) },
  // A command that Temporal refused stays until a person has had time to look at it.
  {
    table: 'commands',
    prefix: 'cmd',
    due: (rows, before) => rows.where('status', 'failed').where('updated_at', '<', before),
  },
];
