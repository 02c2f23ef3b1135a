import type { Knex } from 'knex';
import type { Database } from './connection.ts';
import * as people from './migrations/0001-people.ts';
import * as github from './migrations/0002-github.ts';
import * as credentials from './migrations/0003-credentials.ts';
import * as appsAndBuilds from './migrations/0004-apps-and-builds.ts';
import * as deliveries from './migrations/0005-deliveries.ts';
import * as control from './migrations/0006-control.ts';
import * as connectFlows from './migrations/0007-connect-flows.ts';
import * as deliveryRecovery from './migrations/0008-delivery-recovery.ts';
import * as syncEtags from './migrations/0009-sync-etags.ts';

/** Listed by hand: Knex remembers names, and a file's is `.ts` in development and `.js` in a build. */
const migrations: Record<string, Knex.Migration> = {
  '0001-people': people,
  '0002-github': github,
  '0003-credentials': credentials,
  '0004-apps-and-builds': appsAndBuilds,
  '0005-deliveries': deliveries,
  '0006-control': control,
  '0007-connect-flows': connectFlows,
  '0008-delivery-recovery': deliveryRecovery,
  '0009-sync-etags': syncEtags,
};

const config: Knex.MigratorConfig = {
  tableName: 'migrations',
  migrationSource: {
    getMigrations: async () => Object.keys(migrations),
    getMigrationName: (name: string) => name,
    getMigration: async (name: string) => migrations[name] as Knex.Migration,
  },
};

/** Brings the schema up to date; answers the names of the migrations that it ran. */
export async function migrate(database: Database): Promise<string[]> {
  // SQLite serves one process: a lock that is still held was left by one that was killed.
  if (database.dialect === 'sqlite') await database.migrationPool.migrate.forceFreeMigrationsLock(config);
  const [, ran] = (await database.migrationPool.migrate.latest(config)) as [number, string[]];
  return ran;
}

/** Takes the whole schema back, for the tests that show that every migration can be undone. */
export async function rollBack(database: Database): Promise<void> {
  await database.migrationPool.migrate.rollback(config, true);
}

/** How many migrations are still to run; the processes that do not migrate refuse to start above zero. */
export async function pendingMigrations(database: Database): Promise<number> {
  const [, pending] = (await database.migrationPool.migrate.list(config)) as [unknown[], unknown[]];
  return pending.length;
}
