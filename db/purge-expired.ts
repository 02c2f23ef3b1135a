import type { Knex } from 'knex';
import { idAt } from '../domain/ids.ts';
import { cloudSecretKinds, registryPasswordKind } from '../domain/registries/registry-settings.ts';
import { rollbackKeptMs } from '../domain/secrets/rollback.ts';
import { clockLeewayMs } from './exchange/minted-tokens.ts';
import { answersKeptMs } from './ops/idempotency-keys.ts';
import type { Db } from './store/connection.ts';

const rollbackKinds = [registryPasswordKind, ...Object.values(cloudSecretKinds)];
const orphansKeptMs = 3_600_000;
const commandsKeptMs = 7 * 24 * 3_600_000;
const statesKeptMs = 7 * 24 * 3_600_000;

export type Expiring = {
  table: string;
  key: string[];
  due(db: Db, now: number): Knex.QueryBuilder;
  /** The most rows in one transaction, if they are large. */
  atMost?: number;
  /** The columns to clear, if the row itself stays. */
  clear?: Record<string, null | 'purged'>;
};

/** What has a fixed lifetime and is needed for a short time only: the key, and the rows that are due. */
export const expiring: readonly Expiring[] = [
  { table: 'sessions', key: ['id'], due: (db, now) => db('sessions').where('expires_at', '<', now) },
  // Used links are deleted too, because a link is valid for minutes only.
  {
    table: 'sign_in_links',
    key: ['code_hash'],
    due: (db, now) => db('sign_in_links').where('expires_at', '<', now),
  },
  {
    table: 'idempotency_keys',
    key: ['caller_id', 'key'],
    due: (db, now) => db('idempotency_keys').where('created_at', '<', now - answersKeptMs),
  },
  // These rows stay for a week after they expire, so that a person who comes late learns that the link has expired.
  {
    table: 'flow_states',
    key: ['hash'],
    due: (db, now) => db('flow_states').where('expires_at', '<', now - statesKeptMs),
  },
  {
    table: 'google_consents',
    key: ['id'],
    due: (db, now) => db('google_consents').where('expires_at', '<', now - statesKeptMs),
  },
  // Clears the text of a token that has expired. The leases of the token stay for the audit.
  {
    table: 'minted_tokens',
    key: ['id'],
    due: (db, now) =>
      db('minted_tokens')
        .whereNotNull('sealed')
        .where('expires_at', '<', now - clockLeewayMs),
    clear: { sealed: null, key_id: null },
  },
  // The delivery was not stored, because the process ended or too much was waiting. GitHub got no 2xx response.
  {
    atMost: 16,
    table: 'large_body_parts',
    key: ['delivery_id', 'part'],
    due: (db, now) =>
      db('large_body_parts')
        .where('delivery_id', '<', idAt('dlv', now - orphansKeptMs))
        .whereNotExists(db('deliveries').whereRaw('deliveries.id = large_body_parts.delivery_id')),
  },
  // After a day, nobody can roll back to the previous secret.
  {
    table: 'credential_versions',
    key: ['id'],
    due: (db, now) =>
      db('credential_versions')
        .where({ status: 'retiring' })
        .where('updated_at', '<', now - rollbackKeptMs)
        .whereIn('credential_id', db('credentials').whereIn('kind', rollbackKinds).select('id')),
    clear: { status: 'purged', sealed: null, key_id: null },
  },
  {
    table: 'cloud_accounts',
    key: ['id'],
    due: (db, now) =>
      db('cloud_accounts')
        .whereNotNull('previous_config')
        .where('previous_at', '<', now - rollbackKeptMs),
    clear: { previous_config: null, previous_at: null },
  },
  // Filters by the ID, which begins with the time, because the table has no other index on it. Failed commands stay for
  // a person.
  {
    table: 'commands',
    key: ['id'],
    due: (db, now) =>
      db('commands')
        .where('id', '<', idAt('cmd', now - commandsKeptMs))
        .where('updated_at', '<', now - commandsKeptMs)
        .where({ status: 'done' }),
  },
];
