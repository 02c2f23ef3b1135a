import { z } from 'zod';
import { requestVerification } from '../../db/registries/registry-verifications.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { id } from '../http/input.ts';
import { Accepted } from '../http/operation-view.ts';
import { Problem } from '../http/problems.ts';
import { isRegistry } from '../registries/registry-view.ts';
import { findIntegration } from './integrations.ts';

export function integrationVerifyRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/integrations/{integration}/verify',
      operationId: 'verifyIntegration',
      tag: 'integrations',
      summary: 'Verify a registry',
      description:
        'Checks pull and push for each repository without pushing anything. The operation fails if the registry rejects the credentials or does not respond for ten minutes. The integration has the result for each repository.',
      access: 'integrations:write',
      params: z.strictObject({ integration: id('int') }),
      success: { status: 202, body: Accepted },
      problems: ['not_found', 'integration_deleted', 'provider_not_supported'],
      async write({ trx, tenant, params, audit }) {
        const integration = await findIntegration(trx, tenant, params.integration);
        const { orgId, projectId, kind, status } = integration;
        if (status === 'deleting') throw new Problem('integration_deleted');
        if (!isRegistry(integration)) {
          throw new Problem(
            'provider_not_supported',
            `You can verify only a registry. Fairlead checks an integration of \`${kind}\` automatically.`,
          );
        }
        await audit({ orgId, projectId, action: 'integration.verification_requested', target: integration.id });
        return reply({ operation: await requestVerification(trx, integration) });
      },
    }),
  ];
}
