import type { Knex } from 'knex';

/** The columns that most tables share, so that each migration shows only its own. */
export function idColumn(table: Knex.CreateTableBuilder): void {
  table.text('id').primary();
}

/** Milliseconds since 1970, like all times in the database. */
export function timeColumns(table: Knex.CreateTableBuilder): void {
  table.bigInteger('created_at').notNullable();
  table.bigInteger('updated_at').notNullable();
}

export function oneOf(column: string, values: readonly string[]): string {
  return `${column} in (${values.map((value) => `'${value}'`).join(', ')})`;
}
