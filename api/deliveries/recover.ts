import { z } from 'zod';
import { recoverCommand } from '../../db/deliveries/delivery-log.ts';
import { operationsFor } from '../../db/ops/operations.ts';
import { commandsIn } from '../../db/store/commands.ts';
import { recoverWorkflowId } from '../../workflows/ids.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { id } from '../http/input.ts';
import { Accepted } from '../http/operation-view.ts';
import { Problem } from '../http/problems.ts';
import { findIntegration } from '../integrations/integrations.ts';

export function recoverRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/integrations/{integration}/recover',
      operationId: 'recoverDeliveries',
      tag: 'deliveries',
      summary: 'Recover missing webhooks',
      description:
        'Reads the delivery log of the GitHub App and fetches the deliveries that Fairlead has not received. Fairlead also does this every five minutes. No delivery is processed twice.',
      access: 'deliveries:replay',
      params: z.strictObject({ integration: id('int') }),
      success: { status: 202, body: Accepted },
      problems: ['not_found', 'provider_not_supported'],
      async write({ trx, tenant, params, audit }) {
        const { id: target, githubAppId, orgId, projectId } = await findIntegration(trx, tenant, params.integration);
        if (!githubAppId)
          throw new Problem(
            'provider_not_supported',
            'Name an integration that uses a GitHub App: only GitHub keeps a delivery log.',
          );
        await audit({ orgId, projectId, action: 'deliveries.recovery_requested', target });
        await commandsIn(trx).add(await recoverCommand(trx, githubAppId));
        const operation = await operationsFor(trx, tenant).insert({
          orgId,
          projectId,
          kind: 'recover',
          subjectId: githubAppId,
          workflowId: recoverWorkflowId(githubAppId),
        });
        return reply({ operation });
      },
    }),
  ];
}
