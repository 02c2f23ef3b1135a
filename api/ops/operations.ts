import { z } from 'zod';
import { operationsFor } from '../../db/ops/operations.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { id } from '../http/input.ts';
import { Accepted } from '../http/operation-view.ts';
import { required } from '../http/problems.ts';

export function operationRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/operations/{operation}',
      operationId: 'getOperation',
      tag: 'operations',
      summary: 'Get an operation',
      access: 'signed_in',
      params: z.strictObject({ operation: id('op') }),
      success: { status: 200, body: Accepted },
      async read({ tenant, params }) {
        const operation = required(await operationsFor(database.reader, tenant).find(params.operation));
        return reply({ operation });
      },
    }),
  ];
}
