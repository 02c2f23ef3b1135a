import { z } from 'zod';
import { deleteOrg } from '../../db/deletion/owner-deletion.ts';
import { orgsFor } from '../../db/people/orgs.ts';
import { type Endpoint, endpoint, reply, requireRevision } from '../http/endpoint.ts';
import { id } from '../http/input.ts';
import { Accepted } from '../http/operation-view.ts';
import { required } from '../http/problems.ts';
import { revocation } from './deletion-query.ts';

export function orgDeleteRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'delete',
      path: '/v1/orgs/{org}',
      operationId: 'deleteOrg',
      tag: 'organizations',
      summary: 'Delete an organization',
      description:
        'Deletes the organization and everything in it. Takes effect with the response: its tokens are revoked and no more builds start. The operation ends when the last integration is deleted.',
      access: 'org:admin',
      params: z.strictObject({ org: id('org') }),
      query: z.strictObject({ revocation }),
      success: { status: 202, body: Accepted },
      problems: ['precondition_failed'],
      async write({ trx, tenant, params, query, audit, ...request }) {
        const org = required(await orgsFor(trx, tenant).find(params.org));
        requireRevision(request, org.revision);
        return reply({ operation: await deleteOrg(trx, { orgId: org.id, revocation: query.revocation, audit }) });
      },
    }),
  ];
}
