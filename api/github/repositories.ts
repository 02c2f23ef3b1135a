import { z } from 'zod';
import { type Repository, repositoriesIn } from '../../db/github/repositories.ts';
import type { Integration } from '../../db/integrations/integrations.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { askProvider } from '../http/ask-provider.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { id, PageQuery, pageRequest } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { findReadable } from '../integrations/integrations.ts';
import { requireUsable } from '../integrations/unusable.ts';

const RepositoryView = z
  .object({
    id: z.string(),
    provider_id: z.int().describe('The number at the provider. It stays the same after a rename'),
    name: z.string(),
    full_name: z.string(),
    url: z.string(),
    visibility: z.string(),
    default_branch: z.string(),
    archived: z.boolean(),
  })
  .meta({ id: 'Repository' });

const BranchView = z.object({ name: z.string(), sha: z.string() }).meta({ id: 'Branch' });

const q = z.string().max(200).optional();

export function repositoryRoutes({ database, broker }: Pick<ApiDeps, 'database' | 'broker'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations/{integration}/repositories',
      operationId: 'listRepositories',
      tag: 'integrations',
      summary: 'List the repositories of an integration',
      access: 'integrations:read',
      params: z.strictObject({ integration: id('int') }),
      query: PageQuery.extend({ q: q.describe('A part of the full name') }),
      success: { status: 200, body: z.array(RepositoryView) },
      async read({ tenant, params, query: { q, ...page } }) {
        const integration = await findReadable(database.reader, tenant, params.integration);
        const { items, next } = await repositoriesIn(database.reader).listReachable(
          integration.id,
          pageRequest(page),
          q,
        );
        return reply({ body: items.map(repositoryView), next });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/integrations/{integration}/repositories/{repository}/branches',
      operationId: 'listBranches',
      tag: 'integrations',
      summary: 'List the branches of a repository',
      description:
        'Reads the branches at the provider in pages of 100. With `q`, you get all branches whose names begin with it.',
      access: 'integrations:read',
      params: z.strictObject({ integration: id('int'), repository: id('repo') }),
      query: z.strictObject({ q, cursor: z.string().max(50).optional() }),
      success: { status: 200, body: z.array(BranchView) },
      problems: ['integration_unusable', 'repository_not_reachable', 'provider_unavailable'],
      async read({ tenant, params, query }) {
        const integration = await findReadable(database.reader, tenant, params.integration);
        const repository = required(
          await repositoriesIn(database.reader).findReachable(integration.id, params.repository),
        );
        await requireUsable(database.reader, integration.id);
        const page = Number(Buffer.from(query.cursor ?? '', 'base64url').toString() || 1);
        if (!Number.isSafeInteger(page) || page < 1)
          throw new Problem('invalid_request', 'Use the cursor from the `Link` header of the previous page.');
        const asking = { ownerId: ownerFor(tenant, integration), repositoryId: repository.id };
        const asked = { page, ...(query.q !== undefined && { q: query.q }) };
        const { branches, next } = await askProvider(() => broker.branches(asking, asked));
        return reply({ body: branches, next: next === undefined ? undefined : String(next) });
      },
    }),
  ];
}

/**
 * Returns the owner on whose behalf Fairlead asks the provider. For a token of one project it is that project, even if
 * the organization granted the integration.
 */
function ownerFor(tenant: TenantScope, { orgId, projectId }: Integration): string {
  if (projectId !== null) return projectId;
  const inOrg = tenant.kind === 'grants' ? tenant.grants.filter((grant) => grant.orgId === orgId) : [];
  const whole = inOrg.length === 0 || inOrg.some((grant) => grant.projectId === undefined);
  return whole ? orgId : (inOrg[0]?.projectId ?? orgId);
}

function repositoryView(repository: Repository): z.input<typeof RepositoryView> {
  return {
    id: repository.id,
    provider_id: repository.externalId,
    name: repository.name,
    full_name: repository.fullName,
    url: repository.url,
    visibility: repository.visibility,
    default_branch: repository.defaultBranch,
    archived: repository.archived,
  };
}
