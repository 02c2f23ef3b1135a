import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { openAuditKeys, useAuditKeys } from './audit-keys.ts';
import { connect, type Database, openReadOnly } from './connection.ts';
import { StoreError } from './errors.ts';
import { checkKeys } from './key-check.ts';
import { embeddedMasterKeys } from './master-key.ts';
import { migrate, pendingMigrations } from './migrate.ts';
import { refuseOtherVersions } from './other-versions.ts';
import { type Tightened, tightenFiles } from './private-files.ts';
import { createKeyring, type Keyring, type MasterKey } from './sealing.ts';

export type Store = {
  database: Database;
  keyring: Keyring;
  where: string;
  madeKeyFile?: string;
  /** The files of the data directory whose mode was too wide. */
  files?: Tightened;
};

export type StoreSettings = {
  databaseUrl: string | undefined;
  dataDir: string;
  masterKeys: MasterKey[] | undefined;
};

/** Opens the database that the settings name, brings its schema up to date, and proves the master keys against it. */
export async function openStore(settings: StoreSettings): Promise<Store> {
  return settings.databaseUrl ? openPostgres(settings, settings.databaseUrl, migrate) : openEmbedded(settings);
}

/** Opens the store of a process that runs beside others. Needs Postgres, and does not change the schema. */
export async function openSharedStore(settings: StoreSettings): Promise<Store> {
  if (!settings.databaseUrl) {
    throw new StoreError(
      'SQLite serves one process only: set DATABASE_URL to a Postgres database to run the API and the worker apart, or run `npm start`',
    );
  }
  return openPostgres(settings, settings.databaseUrl, async (database) => {
    if ((await pendingMigrations(database)) === 0) return;
    throw new StoreError('The database’s schema is not up to date: run `npm run migrate` first');
  });
}

/** Makes one level at a time: `recursive` never returns if a parent takes no folders, as in /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(path.dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

async function openEmbedded({ dataDir, masterKeys }: StoreSettings): Promise<Store> {
  const folder = path.resolve(dataDir);
  try {
    makeFolder(folder);
    accessSync(folder, constants.W_OK);
  } catch {
    throw new StoreError(`The data directory ${folder} cannot be written: change its owner or set FAIRLEAD_DATA_DIR`);
  }
  // This comes first, because SQLite gives its log the mode of the database.
  const files = tightenFiles(folder);
  const databaseFile = path.join(folder, 'fairlead.db');
  if (existsSync(databaseFile)) await refuseOtherFile(databaseFile, folder);
  const { keys, madeFile } = embeddedMasterKeys(masterKeys, { dataDir: folder, databaseFile });
  const database = connect({ sqliteFile: databaseFile });
  return prepare(database, keys, migrate, { where: folder, files, ...(madeFile && { madeKeyFile: madeFile }) });
}

/** Reads through a connection that cannot write: closing the usual one moves the write-ahead log into the file. */
async function refuseOtherFile(databaseFile: string, folder: string): Promise<void> {
  const file = openReadOnly(databaseFile);
  const toUseAnother = 'set FAIRLEAD_DATA_DIR to a new directory';
  await refuseOtherVersions(file, { name: `The data directory ${folder}`, toUseAnother }).finally(() => file.destroy());
}

async function openPostgres(
  { masterKeys }: StoreSettings,
  databaseUrl: string,
  bringUp: (database: Database) => Promise<unknown>,
): Promise<Store> {
  const { hostname, pathname } = new URL(databaseUrl);
  const where = `Postgres ${hostname}${pathname}`;
  const refuseOrBringUp = async (database: Database) => {
    await refuseOtherVersions(database.reader, { name: where, toUseAnother: 'set DATABASE_URL to a new database' });
    await bringUp(database);
  };
  return prepare(connect({ databaseUrl }), masterKeys ?? [], refuseOrBringUp, { where });
}

async function prepare(
  database: Database,
  keys: MasterKey[],
  bringUp: (database: Database) => Promise<unknown>,
  place: Omit<Store, 'database' | 'keyring'>,
): Promise<Store> {
  try {
    await bringUp(database);
    await checkKeys(database, keys, createKeyring);
    const keyring = createKeyring(keys);
    useAuditKeys(database, await openAuditKeys(database, keyring));
    return { database, keyring, ...place };
  } catch (error) {
    await database.close();
    throw explain(error, place.where);
  }
}

function explain(error: unknown, where: string): unknown {
  const code = (error as { code?: string }).code ?? '';
  const unreachable = ['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH', '28P01', '28000', '3D000'];
  if (!unreachable.includes(code)) return error;
  return new StoreError(`${where} does not let us in (${code}): check DATABASE_URL`);
}
