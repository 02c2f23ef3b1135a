import { integrationDeleted } from '../integrations/cut-off.ts';
import type { Db } from '../store/connection.ts';
import { type Build, toBuild } from './build-row.ts';

/** How many are looked at: the provider takes about as many reports of an installation in the time that is waited. */
const most = 100;

/**
 * The builds of an integration that have ended since then and of whose end the provider may not know yet, latest
 * first. Those that were refused when they were made are not told at all.
 */
export async function endedSince(db: Db, integrationId: string, since: number): Promise<Build[]> {
  const rows = await db('builds')
    .where({ integration_id: integrationId })
    .where('finished_at', '>=', since)
    .whereNot((refused) => refused.where({ reason: integrationDeleted, revision: 1 }))
    .where((untold) => {
      for (const told of ['reported_status', 'check_status', 'deployment_status'] as const) {
        untold.orWhereNull(told).orWhereNot(told, db.ref('status'));
      }
    })
    .orderBy('finished_at', 'desc')
    .limit(most);
  return rows.map(toBuild);
}

/** The first part of the report of the build's status that the provider has refused; what comes after it may be, too. */
export async function refusedPart(db: Db, { id, status }: Pick<Build, 'id' | 'status'>): Promise<string | undefined> {
  const events = await db('build_events').where({ build_id: id, type: 'report_refused' }).orderBy('id');
  const details = events.map(({ detail }) => JSON.parse(detail) as { status?: string; part?: string });
  return details.find((detail) => detail.status === status)?.part;
}
