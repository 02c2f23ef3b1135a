import { z } from 'zod';
import { type Incident, incidentsFor } from '../../db/ops/incidents.ts';
import type { Db } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { incidentCodes } from '../../domain/ops/incidents.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { epochSeconds, id, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { required } from '../http/problems.ts';

const IncidentView = z
  .object({
    id: z.string(),
    org_id: z.string().nullable(),
    project_id: z.string().nullable(),
    code: z.string(),
    subject_id: z.string(),
    title: z.string(),
    action: z.string().describe('What to do to fix it'),
    link: z.string().nullable().describe('The page on which to do it, if there is one'),
    status: z.enum(['open', 'resolved']),
    count: z.int().describe('How often it has occurred'),
    created_at: epochSeconds,
    updated_at: epochSeconds,
    resolved_at: epochSeconds.nullable(),
  })
  .meta({ id: 'Incident' });

const subject = z.string().min(1).max(300);

export function incidentRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/incidents',
      operationId: 'listIncidents',
      tag: 'incidents',
      summary: 'List incidents',
      access: 'incidents:read',
      query: PageQuery.extend({
        status: z.enum(['open', 'resolved']).optional(),
        code: z.enum(incidentCodes).optional(),
        project_id: id('prj').optional(),
        subject_id: subject.optional().describe('The subject: an integration, a GitHub App, a build, a host …'),
      }),
      success: { status: 200, body: z.array(IncidentView) },
      async read({ tenant, query: { status, code, project_id: projectId, subject_id: subjectId, ...page } }) {
        const filter = { status, code, projectId, subjectId };
        const { items, next } = await incidentsFor(database.reader, tenant).list(pageRequest(page), filter);
        return reply({ body: items.map(incidentView), next });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/incidents/{incident}',
      operationId: 'getIncident',
      tag: 'incidents',
      summary: 'Get an incident',
      access: 'incidents:read',
      params: z.strictObject({ incident: id('inc') }),
      success: { status: 200, body: IncidentView },
      problems: ['not_found'],
      async read({ tenant, params }) {
        return incidentView(await findIncident(database.reader, tenant, params.incident));
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/incidents/{incident}/resolve',
      operationId: 'resolveIncident',
      tag: 'incidents',
      summary: 'Resolve an incident',
      description:
        'Incidents resolve automatically when the problem is fixed. If it is not fixed, a new incident opens.',
      access: 'incidents:resolve',
      params: z.strictObject({ incident: id('inc') }),
      success: { status: 200, body: IncidentView },
      problems: ['not_found'],
      async write({ trx, tenant, params, audit }) {
        const { orgId, projectId, id: target, code } = await findIncident(trx, tenant, params.incident);
        if (await incidentsFor(trx, tenant).resolve(target)) {
          await audit({ orgId, projectId, action: 'incident.resolved', target, detail: { code } });
        }
        return incidentView(await findIncident(trx, tenant, target));
      },
    }),
  ];
}

async function findIncident(db: Db, tenant: TenantScope, incidentId: string): Promise<Incident> {
  return required(await incidentsFor(db, tenant).find(incidentId));
}

function incidentView(incident: Incident): z.input<typeof IncidentView> {
  return {
    ...incident,
    org_id: incident.orgId,
    project_id: incident.projectId,
    subject_id: incident.subjectId,
    created_at: toSeconds(incident.createdAt),
    updated_at: toSeconds(incident.updatedAt),
    resolved_at: toSeconds(incident.resolvedAt),
  };
}
