import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { BuildEventRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

/** Something that happened to a build. The detail holds IDs, codes and sentences that are safe to show. */
export type BuildEvent = {
  id: string;
  buildId: string;
  type: 'created' | 'status_changed' | 'cancel_requested' | 'run_found' | 'report_refused';
  detail: Record<string, string | number | boolean | null>;
  createdAt: number;
};

type Owner = { id: string; orgId: string; projectId: string };

/** Appends an event in the transaction of the change that it describes. */
export async function appendBuildEvent(
  trx: Db,
  build: Owner,
  type: BuildEvent['type'],
  detail: BuildEvent['detail'] = {},
): Promise<void> {
  await trx('build_events').insert({
    id: newId('evt'),
    org_id: build.orgId,
    project_id: build.projectId,
    build_id: build.id,
    type,
    detail: JSON.stringify(detail),
    created_at: Date.now(),
  });
}

export function buildEventsFor(db: Db, scope: TenantScope) {
  return {
    /** Lists the newest first. */
    async list(buildId: string, page: PageRequest): Promise<Page<BuildEvent>> {
      return pageOf(within(scope, db('build_events')).where({ build_id: buildId }), page, toBuildEvent);
    },
  };
}

/** Covers all tenants. Use it only with IDs that were authorized when they were stored. */
export const allBuildEvents = (db: Db) => buildEventsFor(db, everything);

function toBuildEvent(row: BuildEventRow): BuildEvent {
  return {
    id: row.id,
    buildId: row.build_id,
    type: row.type as BuildEvent['type'],
    detail: JSON.parse(row.detail),
    createdAt: row.created_at,
  };
}
