import { newId } from '../domain/ids.ts';
import type { Db } from './connection.ts';
import { type Page, type PageRequest, pageOf } from './page.ts';
import type { IncidentRow } from './tables.ts';
import { type TenantScope, within } from './tenant.ts';

/** Something that a person must do. */
export type Incident = {
  id: string;
  orgId: string | null;
  projectId: string | null;
  code: string;
  subjectId: string;
  title: string;
  /** The one action that repairs it. */
  action: string;
  status: IncidentRow['status'];
  /** How often it was seen since it was opened. */
  count: number;
  createdAt: number;
  updatedAt: number;
  resolvedAt: number | null;
};

export type NewIncident = Pick<Incident, 'orgId' | 'projectId' | 'code' | 'subjectId' | 'title' | 'action'>;

export function incidentsIn(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('incidents'));
  return {
    async list(page: PageRequest, status?: Incident['status']): Promise<Page<Incident>> {
      const query = visible();
      if (status) query.where({ status });
      return pageOf<IncidentRow, Incident>(query, page, toIncident);
    },

    /** Opens it, or counts it where the same trouble is open already. */
    async raise(incident: NewIncident): Promise<void> {
      const now = Date.now();
      const open = { code: incident.code, subject_id: incident.subjectId, status: 'open' as const };
      const again = { count: db.raw('count + 1') as unknown as number, updated_at: now };
      if ((await db('incidents').where(open).update(again)) > 0) return;
      await db('incidents')
        .insert({
          id: newId('inc'),
          org_id: incident.orgId,
          project_id: incident.projectId,
          ...open,
          title: incident.title,
          action: incident.action,
          count: 1,
          created_at: now,
          updated_at: now,
          resolved_at: null,
        })
        .onConflict()
        .ignore();
    },

    async resolveSubject(code: string, subjectId: string): Promise<void> {
      const now = Date.now();
      await db('incidents')
        .where({ code, subject_id: subjectId, status: 'open' })
        .update({ status: 'resolved', resolved_at: now, updated_at: now });
    },
  };
}

function toIncident(row: IncidentRow): Incident {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    code: row.code,
    subjectId: row.subject_id,
    title: row.title,
    action: row.action,
    status: row.status,
    count: row.count,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    resolvedAt: row.resolved_at,
  };
}
