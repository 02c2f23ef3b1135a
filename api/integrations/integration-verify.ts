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
      summary: 'Have a registry verified: that it takes what is stored for it, and what that may do',
      description:
        'Pull and push are proven on their own for each of its repositories, and nothing is pushed. The operation fails where the registry refuses, or where nobody answers for ten minutes, which changes nothing; what was found for each repository is in the integration.',
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
            `An integration of \`${kind}\` is looked after without being asked.`,
          );
        }
        await audit({ orgId, projectId, action: 'integration.verification_requested', target: integration.id });
        return reply({ operation: await requestVerification(trx, integration) });
      },
    }),
  ];
}
