import type { Knex } from 'knex';
import * as people from '../migrations/0001-people.ts';
import * as github from '../migrations/0002-github.ts';
import * as credentials from '../migrations/0003-credentials.ts';
import * as appsAndBuilds from '../migrations/0004-apps-and-builds.ts';
import * as deliveries from '../migrations/0005-deliveries.ts';
import * as control from '../migrations/0006-control.ts';
import * as connectFlows from '../migrations/0007-connect-flows.ts';
import * as deliveryRecovery from '../migrations/0008-delivery-recovery.ts';
import * as syncEtags from '../migrations/0009-sync-etags.ts';
import * as integrationLife from '../migrations/0010-integration-life.ts';
import * as leases from '../migrations/0011-leases.ts';
import * as rotations from '../migrations/0012-rotations.ts';
import * as permissionDrift from '../migrations/0013-permission-drift.ts';
import * as checkRuns from '../migrations/0014-check-runs.ts';
import * as incidentLinks from '../migrations/0015-incident-links.ts';
import * as openBuilds from '../migrations/0016-open-builds.ts';
import * as retiredApps from '../migrations/0017-retired-apps.ts';
import * as buildEnds from '../migrations/0019-build-ends.ts';
import * as registries from '../migrations/0020-registries.ts';
import * as signingKeys from '../migrations/0021-signing-keys.ts';
import * as bounds from '../migrations/0022-bounds.ts';
import * as googleConsents from '../migrations/0023-google-consents.ts';
import * as registryWatch from '../migrations/0025-registry-watch.ts';
import type { Database } from './connection.ts';

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
  '0010-integration-life': integrationLife,
  '0011-leases': leases,
  '0012-rotations': rotations,
  '0013-permission-drift': permissionDrift,
  '0014-check-runs': checkRuns,
  '0015-incident-links': incidentLinks,
  '0016-open-builds': openBuilds,
  '0017-retired-apps': retiredApps,
  '0019-build-ends': buildEnds,
  '0020-registries': registries,
  '0021-signing-keys': signingKeys,
  '0022-bounds': bounds,
  '0023-google-consents': googleConsents,
  '0025-registry-watch': registryWatch,
};

const config: Knex.MigratorConfig = {
  tableName: 'migrations',
  migrationSource: {
    getMigrations: async () => Object.keys(migrations),
    getMigrationName: (name: string) => name,
    getMigration: async (name: string) => migrations[name] as Knex.Migration,
  },
};

/** Any number that nothing else locks in this database. */
const migrationLock = 0x666c6d6967;

/** Brings the schema up to date; answers the names of the migrations that it ran. */
export async function migrate(database: Database): Promise<string[]> {
  const { migrationPool: pool, dialect } = database;
  // SQLite serves one process, so there is nobody to wait for.
  if (dialect === 'sqlite') return migrateAlone(pool);
  // Unlike Knex's own lock this one ends with the connection of a process that was killed; and the next one waits.
  return pool.transaction(async (lock) => {
    await lock.raw('select pg_advisory_xact_lock(?)', [migrationLock]);
    return migrateAlone(pool);
  });
}

/** Nobody else migrates now: where Knex's lock is held, somebody who was killed has left it. */
async function migrateAlone(pool: Knex): Promise<string[]> {
  await pool.migrate.forceFreeMigrationsLock(config);
  const [, ran] = (await pool.migrate.latest(config)) as [number, string[]];
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
