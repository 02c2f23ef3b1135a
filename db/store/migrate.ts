import type { Knex } from 'knex';
import * as store from '../migrations/0001-store.ts';
import * as people from '../migrations/0002-people.ts';
import * as ops from '../migrations/0003-ops.ts';
import * as clouds from '../migrations/0004-clouds.ts';
import * as github from '../migrations/0005-github.ts';
import * as integrations from '../migrations/0006-integrations.ts';
import * as registries from '../migrations/0007-registries.ts';
import * as secrets from '../migrations/0008-secrets.ts';
import * as connect from '../migrations/0009-connect.ts';
import * as builds from '../migrations/0010-builds.ts';
import * as deliveries from '../migrations/0011-deliveries.ts';
import * as exchange from '../migrations/0012-exchange.ts';
import * as requestedAccounts from '../migrations/0013-requested-accounts.ts';
import * as decidedWork from '../migrations/0014-decided-work.ts';
import * as keyedAudit from '../migrations/0015-keyed-audit.ts';
import * as staleDeliveries from '../migrations/0016-stale-deliveries.ts';
import * as largeBodies from '../migrations/0017-large-bodies.ts';
import * as provenSecrets from '../migrations/0018-proven-secrets.ts';
import * as repositoryNames from '../migrations/0019-repository-names.ts';
import * as cloudSecretExpiry from '../migrations/0020-cloud-secret-expiry.ts';
import * as reboundApps from '../migrations/0021-rebound-apps.ts';
import * as retention from '../migrations/0022-retention.ts';
import * as endedBuilds from '../migrations/0023-ended-builds.ts';
import * as operationWaits from '../migrations/0024-operation-waits.ts';
import type { Database } from './connection.ts';
import { holdNumber } from './locks.ts';

/**
 * Listed by hand, because Knex stores the names, and files end in `.ts` in development and in `.js` in a build. A new
 * migration gets the next number.
 */
const migrations: Record<string, Knex.Migration> = {
  '0001-store': store,
  '0002-people': people,
  '0003-ops': ops,
  '0004-clouds': clouds,
  '0005-github': github,
  '0006-integrations': integrations,
  '0007-registries': registries,
  '0008-secrets': secrets,
  '0009-connect': connect,
  '0010-builds': builds,
  '0011-deliveries': deliveries,
  '0012-exchange': exchange,
  '0013-requested-accounts': requestedAccounts,
  '0014-decided-work': decidedWork,
  '0015-keyed-audit': keyedAudit,
  '0016-stale-deliveries': staleDeliveries,
  '0017-large-bodies': largeBodies,
  '0018-proven-secrets': provenSecrets,
  '0019-repository-names': repositoryNames,
  '0020-cloud-secret-expiry': cloudSecretExpiry,
  '0021-rebound-apps': reboundApps,
  '0022-retention': retention,
  '0023-ended-builds': endedBuilds,
  '0024-operation-waits': operationWaits,
};

export const migrationNames = Object.keys(migrations);
export const migrationTable = 'migrations';

const config: Knex.MigratorConfig = {
  tableName: migrationTable,
  migrationSource: {
    getMigrations: async () => migrationNames,
    getMigrationName: (name: string) => name,
    getMigration: async (name: string) => migrations[name] as Knex.Migration,
  },
};

/** Any number that nothing else locks in this database. */
const migrationLock = 0x666c6d6967;

/** Brings the schema up to date. Returns the names of the migrations that it ran. */
export async function migrate(database: Database): Promise<string[]> {
  const { migrationPool: pool, dialect } = database;
  // SQLite serves one process, so no other process migrates.
  if (dialect === 'sqlite') return migrateAlone(pool);
  // Unlike Knex's lock, this lock ends with the connection of a process that was killed. The next process waits.
  return pool.transaction(async (lock) => {
    await holdNumber(lock, migrationLock);
    return migrateAlone(pool);
  });
}

/** No other process migrates now. If Knex's lock is held, a process that was killed has left it. */
async function migrateAlone(pool: Knex): Promise<string[]> {
  await pool.migrate.forceFreeMigrationsLock(config);
  const [, ran] = (await pool.migrate.latest(config)) as [number, string[]];
  return ran;
}

/** Undoes all migrations, for the tests that show that every migration can be undone. */
export async function rollBack(database: Database): Promise<void> {
  await database.migrationPool.migrate.rollback(config, true);
}

/** Counts the migrations that have not run. A process that does not migrate refuses to start if there are any. */
export async function pendingMigrations(database: Database): Promise<number> {
  const [, pending] = (await database.migrationPool.migrate.list(config)) as [unknown[], unknown[]];
  return pending.length;
}
