import { z } from 'zod';
import { integrationsIn } from '../../db/integrations.ts';
import { type Endpoint, endpoint, reply, requireRevision } from '../endpoint.ts';
import { id, name } from '../input.ts';
import { Problem } from '../problems.ts';
import { findIntegration, IntegrationView, integrationView } from './integrations.ts';

const mostMetadata = 4_096;

const IntegrationChanges = z
  .strictObject({
    display_name: name,
    metadata: z
      .record(z.string().min(1).max(100), z.json())
      .refine((value) => JSON.stringify(value).length <= mostMetadata, `at most ${mostMetadata} characters as JSON`)
      .describe('The caller’s own notes, replaced as a whole; no secrets. `installation_id` stays as it is'),
  })
  .partial();

export function integrationUpdateRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'patch',
      path: '/v1/integrations/{integration}',
      operationId: 'updateIntegration',
      tag: 'integrations',
      summary: 'Rename an integration, or replace its metadata',
      description: 'Touches no credential: those are replaced by `POST …/credentials/rotate`.',
      access: 'integrations:write',
      params: z.strictObject({ integration: id('int') }),
      body: IntegrationChanges,
      success: { status: 200, body: IntegrationView },
      problems: ['not_found', 'integration_deleted', 'precondition_failed'],
      async write({ trx, tenant, params, body, audit, ...request }) {
        const integration = await findIntegration(trx, tenant, params.integration);
        const { id, orgId, projectId, revision } = integration;
        if (integration.status === 'deleting') throw new Problem('integration_deleted');
        requireRevision(request, revision);
        const { display_name: displayName, metadata } = body;
        const changed = await integrationsIn(trx, tenant).update(id, revision, {
          ...(displayName !== undefined && { displayName }),
          ...(metadata !== undefined && { metadata: withOwn(metadata, integration.metadata) }),
        });
        if (!changed) throw new Problem('precondition_failed');
        await audit({ orgId, projectId, action: 'integration.updated', target: id });
        const updated = await findIntegration(trx, tenant, id);
        return reply({ body: integrationView(updated), revision: updated.revision });
      },
    }),
  ];
}

/** What we have noted ourselves is not the caller's to change. */
function withOwn(metadata: Record<string, unknown>, before: Record<string, unknown>): Record<string, unknown> {
  const { installation_id: _, ...theirs } = metadata;
  const ours = before['installation_id'];
  return ours === undefined ? theirs : { ...theirs, installation_id: ours };
}
