import type { Knex } from 'knex';
import { StoreError } from './errors.ts';
import { migrationNames, migrationTable } from './migrate.ts';

/** A store as an error names it, without its password, and what to set to use another one. */
export type NamedStore = { name: string; toUseAnother: string };

/**
 * Refuses a store whose migrations this version does not have. Reads only, so that a refused store stays as it is.
 * Migrations are only ever added after the newest one: an unknown name before it comes from a development version.
 */
export async function refuseOtherVersions(db: Knex, { name, toUseAnother }: NamedStore): Promise<void> {
  if (!(await db.schema.hasTable(migrationTable))) return;
  const ran: string[] = await db(migrationTable).orderBy('name').pluck('name');
  const unknown = ran.filter((one) => !migrationNames.includes(one));
  const [first] = unknown;
  if (first === undefined) return;
  const newest = migrationNames.at(-1) ?? '';
  if (first > newest) {
    throw new StoreError(
      `${name} was made by a newer version of Fairlead (this version does not know the migration ${first}): run that version or a later one, or ${toUseAnother}`,
    );
  }
  throw new StoreError(
    `${name} was made by a development version of Fairlead before the first release, which this version cannot read: ${toUseAnother}, or delete the old one`,
  );
}
