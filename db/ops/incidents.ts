import { newId } from '../../domain/ids.ts';
import { type IncidentCode, incidentCatalogue } from '../../domain/ops/incidents.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { IncidentRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

/** A problem that a person must fix. */
export type Incident = {
  id: string;
  orgId: string | null;
  projectId: string | null;
  code: string;
  subjectId: string;
  title: string;
  /** The one action that fixes the problem. */
  action: string;
  /** The page on which a person can take the action, if there is one. */
  link: string | null;
  status: IncidentRow['status'];
  /** How often the problem was seen since the incident was opened. */
  count: number;
  createdAt: number;
  updatedAt: number;
  resolvedAt: number | null;
};

/** An incident to raise. The catalogue has the default title and action. */
export type NewIncident = Pick<Incident, 'orgId' | 'projectId' | 'subjectId'> & {
  code: IncidentCode;
  title?: string;
  action?: string;
  link?: string | null;
};

export type IncidentFilter = {
  status?: Incident['status'] | undefined;
  code?: string | undefined;
  projectId?: string | undefined;
  subjectId?: string | undefined;
};

export function incidentsFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('incidents'));
  return {
    async find(id: string): Promise<Incident | undefined> {
      const row = await visible().where({ id }).first();
      return row && toIncident(row);
    },

    async list(page: PageRequest, filter: IncidentFilter = {}): Promise<Page<Incident>> {
      const { status, code, projectId, subjectId } = filter;
      const query = visible();
      if (status !== undefined) query.where({ status });
      if (code !== undefined) query.where({ code });
      if (projectId !== undefined) query.where({ project_id: projectId });
      if (subjectId !== undefined) query.where({ subject_id: subjectId });
      return pageOf<IncidentRow, Incident>(query, page, toIncident);
    },

    /** Opens an incident. If the same incident is already open, raises its count. */
    async raise(incident: NewIncident): Promise<void> {
      const now = Date.now();
      const usual = incidentCatalogue[incident.code];
      const open = { code: incident.code, subject_id: incident.subjectId, status: 'open' as const };
      const again = { count: db.raw('count + 1') as unknown as number, updated_at: now };
      if ((await db('incidents').where(open).update(again)) > 0) return;
      await db('incidents')
        .insert({
          id: newId('inc'),
          org_id: incident.orgId,
          project_id: incident.projectId,
          ...open,
          title: incident.title ?? usual.title,
          action: incident.action ?? usual.action,
          link: incident.link ?? null,
          count: 1,
          created_at: now,
          updated_at: now,
          resolved_at: null,
        })
        .onConflict()
        .ignore();
    },

    async resolveSubject(code: IncidentCode, ...subjectIds: string[]): Promise<void> {
      const now = Date.now();
      await db('incidents')
        .where({ code, status: 'open' })
        .whereIn('subject_id', subjectIds)
        .update({ status: 'resolved', resolved_at: now, updated_at: now });
    },

    /** Resolves incidents about a subject that has ended, because its problems have ended too. */
    async resolveAbout(subjectId: string, ...codes: IncidentCode[]): Promise<void> {
      const now = Date.now();
      await db('incidents')
        .where({ subject_id: subjectId, status: 'open' })
        .whereIn('code', codes)
        .update({ status: 'resolved', resolved_at: now, updated_at: now });
    },

    /** Resolves the incident for a person. Returns false if it was already resolved. */
    async resolve(id: string): Promise<boolean> {
      const now = Date.now();
      const resolved = await visible()
        .where({ id, status: 'open' })
        .update({ status: 'resolved', resolved_at: now, updated_at: now });
      return resolved === 1;
    },

    /** Counts the open incidents by code, from the index that holds only these. */
    async countOpen(): Promise<{ code: IncidentCode; count: number }[]> {
      const rows: { code: IncidentCode; count?: string | number }[] = await visible()
        .where({ status: 'open' })
        .groupBy('code')
        .select('code')
        .count({ count: '*' });
      return rows.map(({ code, count }) => ({ code, count: Number(count) }));
    },

    async isOpen(code: IncidentCode, subjectId: string): Promise<boolean> {
      const row = await db('incidents').where({ code, subject_id: subjectId, status: 'open' }).first('id');
      return row !== undefined;
    },
  };
}

/** Returns `incidentsFor` without a tenant filter. Use it only with IDs that were authorized when they were stored. */
export const allIncidents = (db: Db) => incidentsFor(db, everything);

function toIncident(row: IncidentRow): Incident {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    code: row.code,
    subjectId: row.subject_id,
    title: row.title,
    action: row.action,
    link: row.link,
    status: row.status,
    count: row.count,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    resolvedAt: row.resolved_at,
  };
}
