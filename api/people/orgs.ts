import { z } from 'zod';
import { type Org, orgsFor } from '../../db/people/orgs.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply, requireRevision } from '../http/endpoint.ts';
import { epochSeconds, id, name, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';

const OrgView = z
  .object({ id: z.string(), name: z.string(), created_at: epochSeconds, updated_at: epochSeconds })
  .meta({ id: 'Organization' });
const NewOrg = z.strictObject({ name }).meta({ id: 'NewOrganization', examples: [{ name: 'Acme' }] });
const OrgChange = z.strictObject({ name }).meta({ id: 'OrganizationChange', examples: [{ name: 'Acme' }] });
const Params = z.strictObject({ org: id('org') });

export function orgRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/orgs',
      operationId: 'listOrgs',
      tag: 'organizations',
      summary: 'List organizations',
      access: 'org:read',
      query: PageQuery,
      success: { status: 200, body: z.array(OrgView) },
      async read({ tenant, query }) {
        const { items, next } = await orgsFor(database.reader, tenant).list(pageRequest(query));
        return reply({ body: items.map(orgView), next });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/orgs',
      operationId: 'createOrg',
      tag: 'organizations',
      etag: true,
      summary: 'Create an organization',
      description: 'Only the operator can create one.',
      access: 'ops',
      body: NewOrg,
      success: { status: 201, body: OrgView },
      async write({ trx, tenant, body, audit }) {
        const org = await orgsFor(trx, tenant).insert(body);
        await audit({ orgId: org.id, action: 'org.created', target: org.id });
        return reply({ body: orgView(org), revision: org.revision });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/orgs/{org}',
      operationId: 'getOrg',
      tag: 'organizations',
      etag: true,
      summary: 'Get an organization',
      access: 'org:read',
      params: Params,
      success: { status: 200, body: OrgView },
      async read({ tenant, params }) {
        const org = required(await orgsFor(database.reader, tenant).find(params.org));
        return reply({ body: orgView(org), revision: org.revision });
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/orgs/{org}',
      operationId: 'updateOrg',
      tag: 'organizations',
      etag: true,
      summary: 'Rename an organization',
      access: 'org:admin',
      params: Params,
      body: OrgChange,
      success: { status: 200, body: OrgView },
      problems: ['precondition_failed'],
      async write({ trx, tenant, params, body, audit, ...request }) {
        const orgs = orgsFor(trx, tenant);
        const org = required(await orgs.find(params.org));
        requireRevision(request, org.revision);
        if (!(await orgs.update(org.id, org.revision, body))) throw new Problem('precondition_failed');
        await audit({ orgId: org.id, action: 'org.updated', target: org.id });
        return reply({ body: orgView({ ...org, ...body, updatedAt: Date.now() }), revision: org.revision + 1 });
      },
    }),
  ];
}

function orgView({ id, name, createdAt, updatedAt }: Org): z.input<typeof OrgView> {
  return { id, name, created_at: toSeconds(createdAt), updated_at: toSeconds(updatedAt) };
}
