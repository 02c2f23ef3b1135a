import type { Knex } from 'knex';

/** Returns whether a pool, a transaction or a query belongs to Postgres. If not, it belongs to SQLite. */
export function isPostgres({ client }: Pick<Knex, 'client'>): boolean {
  return client.config.client === 'pg';
}

/** SQL for a text or number in a column that holds JSON, as text. */
export function jsonText(db: Pick<Knex, 'client'>, column: string, name: string): string {
  return isPostgres(db) ? `${column}::json ->> '${name}'` : `cast(json_extract(${column}, '$.${name}') as text)`;
}
