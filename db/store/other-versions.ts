import type { Knex } from 'knex';
import { StoreError } from './errors.ts';
import { keyCheck } from './key-check.ts';
import { migrationNames, migrationTable } from './migrate.ts';
import { sealVersion } from './sealing.ts';

/** How an error message names a store, without its password, and which setting selects another one. */
export type NamedStore = { name: string; toUseAnother: string };

/**
 * Rejects a store with migrations that this version does not have, or with secrets that it cannot open. Only reads, so
 * a rejected store does not change. New migrations are always added at the end, so an unknown name before the newest
 * one comes from a development version.
 */
export async function refuseOtherVersions(db: Knex, { name, toUseAnother }: NamedStore): Promise<void> {
  if (!(await db.schema.hasTable(migrationTable))) return;
  if (!(await db.schema.hasColumn(migrationTable, 'name'))) throw foreign(name, toUseAnother);
  const ran: string[] = await db(migrationTable).orderBy('name').pluck('name');
  const unknown = ran.filter((one) => !migrationNames.includes(one));
  const [first] = unknown;
  if (first === undefined) {
    if (await isSealedOtherwise(db)) throw ofDevelopment(name, toUseAnother);
    return;
  }
  // Every version of Fairlead has this table, from its first migration on.
  if (!(await db.schema.hasTable('orgs'))) throw foreign(name, toUseAnother);
  const newest = migrationNames.at(-1) ?? '';
  if (first > newest) {
    throw new StoreError(
      `${name} was made by a newer version of Fairlead (this version does not know the migration ${first}): run that version or a later one, or ${toUseAnother}`,
    );
  }
  throw ofDevelopment(name, toUseAnother);
}

/**
 * Returns whether the secrets are sealed in a format that this version cannot open. The proof of each master key has
 * the same format.
 */
async function isSealedOtherwise(db: Knex): Promise<boolean> {
  if (!(await db.schema.hasTable('instance'))) return false;
  const other = db('instance').where('key', 'like', `${keyCheck}%`).whereNot('value', 'like', `${sealVersion}.%`);
  return (await other.first('key')) !== undefined;
}

function ofDevelopment(name: string, toUseAnother: string): StoreError {
  return new StoreError(
    `${name} was made by a development version of Fairlead before the first release, which this version cannot read: ${toUseAnother}, or delete the old one`,
  );
}

/** Many programs have a table with this name. Fairlead must not ask anyone to delete the data of another program. */
function foreign(name: string, toUseAnother: string): StoreError {
  return new StoreError(`${name} has a table \`${migrationTable}\` of another program: ${toUseAnother}`);
}
