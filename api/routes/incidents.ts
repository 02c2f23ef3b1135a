import { z } from 'zod';
import { type Incident, incidentsIn } from '../../db/incidents.ts';
import type { ApiDeps } from '../deps.ts';
import { type Endpoint, endpoint, reply } from '../endpoint.ts';
import { epochSeconds, PageQuery, pageRequest, toSeconds } from '../input.ts';

const IncidentView = z.object({
  id: z.string(),
  org_id: z.string().nullable(),
  project_id: z.string().nullable(),
  code: z.string(),
  subject_id: z.string(),
  title: z.string(),
  action: z.string().describe('What repairs it'),
  status: z.enum(['open', 'resolved']),
  count: z.int().describe('How often it was seen'),
  created_at: epochSeconds,
  updated_at: epochSeconds,
  resolved_at: epochSeconds.nullable(),
});

export function incidentRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/incidents',
      operationId: 'listIncidents',
      tag: 'incidents',
      summary: 'List what a person must do',
      access: 'incidents:read',
      query: PageQuery.extend({ status: z.enum(['open', 'resolved']).optional() }),
      success: { status: 200, body: z.array(IncidentView) },
      async read({ tenant, query: { status, ...page } }) {
        const { items, next } = await incidentsIn(database.reader, tenant).list(pageRequest(page), status);
        return reply({ body: items.map(incidentView), next });
      },
    }),
  ];
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
