import { z } from 'zod';
import { recoverCommand } from '../../db/deliveries/delivery-log.ts';
import { allOperations } from '../../db/ops/operations.ts';
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
      summary: 'Look for webhooks that did not arrive',
      description:
        'Reads the App’s log of deliveries at the provider back to what is known to be here, and gets what is missing. It happens every five minutes anyway; nothing is decided twice.',
      access: 'deliveries:replay',
      params: z.strictObject({ integration: id('int') }),
      success: { status: 202, body: Accepted },
      problems: ['not_found', 'provider_not_supported'],
      async write({ trx, tenant, params, audit }) {
        const { id: target, githubAppId, orgId, projectId } = await findIntegration(trx, tenant, params.integration);
        if (!githubAppId) throw new Problem('provider_not_supported', 'Only GitHub keeps a log of its deliveries.');
        await audit({ orgId, projectId, action: 'deliveries.recovery_requested', target });
        await commandsIn(trx).add(recoverCommand(githubAppId));
        const operation = await allOperations(trx).insert({
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
