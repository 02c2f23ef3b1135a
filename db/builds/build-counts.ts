import type { BuildStatus } from '../../domain/builds/build-status.ts';
import type { Db } from '../store/connection.ts';

export type BuildCount = { status: BuildStatus; reason: string | null; count: number };

/** Counts the builds that have not ended. The index `builds_unfinished` holds only these. */
export async function countOpenBuilds(db: Db): Promise<BuildCount[]> {
  return counted(
    await db('builds')
      .whereNull('finished_at')
      .groupBy('status', 'reason')
      .select(...columns(db)),
  );
}

/** Counts the builds that have ended since then, from the index `builds_ended`. */
export async function countEndedBuilds(db: Db, since: number): Promise<BuildCount[]> {
  return counted(
    await db('builds')
      .where('finished_at', '>=', since)
      .groupBy('status', 'reason')
      .select(...columns(db)),
  );
}

function columns(db: Db) {
  return ['status', 'reason', db.raw('count(*) as count')] as const;
}

function counted(rows: { status: BuildStatus; reason: string | null; count?: string | number }[]): BuildCount[] {
  return rows.map(({ status, reason, count }) => ({ status, reason, count: Number(count) }));
}
