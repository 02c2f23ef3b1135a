import type { Knex } from 'knex';

export type PageRequest = { limit: number; after?: string | undefined };
export type Page<Item> = { items: Item[]; next?: string };

/**
 * Returns one page, newest first. IDs sort by time, so the cursor is the last ID of the page before. Reads one row more
 * than requested, to know whether there is a next page.
 */
export async function pageOf<Row extends { id: string }, Item>(
  query: Knex.QueryBuilder,
  { limit, after }: PageRequest,
  toItem: (row: Row) => Item,
  idColumn = 'id',
): Promise<Page<Item>> {
  if (after !== undefined) query.where(idColumn, '<', after);
  const rows: Row[] = await query.orderBy(idColumn, 'desc').limit(limit + 1);
  const items = rows.slice(0, limit).map(toItem);
  const last = rows[limit - 1];
  return rows.length > limit && last ? { items, next: last.id } : { items };
}
