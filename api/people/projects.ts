import { z } from 'zod';
import { orgsFor } from '../../db/people/orgs.ts';
import { holdOwner, type Project, projectsFor } from '../../db/people/projects.ts';
import { covers } from '../../db/store/tenant.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply, requireRevision } from '../http/endpoint.ts';
import { epochSeconds, exampleId, id, name, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';

const ProjectView = z
  .object({
    id: z.string(),
    org_id: z.string(),
    name: z.string(),
    created_at: epochSeconds,
    updated_at: epochSeconds,
  })
  .meta({ id: 'Project' });
const NewProject = z
  .strictObject({ org_id: id('org'), name })
  .meta({ id: 'NewProject', examples: [{ org_id: exampleId('org'), name: 'shop' }] });
const ProjectChange = z.strictObject({ name }).meta({ id: 'ProjectChange', examples: [{ name: 'shop' }] });
const Params = z.strictObject({ project: id('prj') });

export function projectRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/projects',
      operationId: 'listProjects',
      tag: 'projects',
      summary: 'List projects',
      access: 'projects:read',
      query: PageQuery.extend({ org_id: id('org').optional() }),
      success: { status: 200, body: z.array(ProjectView) },
      async read({ tenant, query: { org_id, ...page } }) {
        const { items, next } = await projectsFor(database.reader, tenant).list(pageRequest(page), org_id);
        return reply({ body: items.map(projectView), next });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/projects',
      operationId: 'createProject',
      tag: 'projects',
      etag: true,
      summary: 'Create a project',
      access: 'projects:write',
      body: NewProject,
      success: { status: 201, body: ProjectView },
      problems: ['not_found'],
      async write({ trx, tenant, body, audit }) {
        // A token for one project cannot create another project.
        const known = covers(tenant, body.org_id) && (await orgsFor(trx, tenant).find(body.org_id));
        if (!known || !(await holdOwner(trx, { orgId: body.org_id }))) throw new Problem('not_found');
        const project = await projectsFor(trx, tenant).insert({ orgId: body.org_id, name: body.name });
        await audit({ orgId: project.orgId, projectId: project.id, action: 'project.created', target: project.id });
        return reply({ body: projectView(project), revision: project.revision });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/projects/{project}',
      operationId: 'getProject',
      tag: 'projects',
      etag: true,
      summary: 'Get a project',
      access: 'projects:read',
      params: Params,
      success: { status: 200, body: ProjectView },
      async read({ tenant, params }) {
        const project = required(await projectsFor(database.reader, tenant).find(params.project));
        return reply({ body: projectView(project), revision: project.revision });
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/projects/{project}',
      operationId: 'updateProject',
      tag: 'projects',
      etag: true,
      summary: 'Rename a project',
      access: 'projects:write',
      params: Params,
      body: ProjectChange,
      success: { status: 200, body: ProjectView },
      problems: ['precondition_failed'],
      async write({ trx, tenant, params, body, audit, ...request }) {
        const projects = projectsFor(trx, tenant);
        const project = required(await projects.find(params.project));
        requireRevision(request, project.revision);
        if (!(await projects.update(project.id, project.revision, body))) throw new Problem('precondition_failed');
        await audit({ orgId: project.orgId, projectId: project.id, action: 'project.updated', target: project.id });
        const changed = { ...project, ...body, updatedAt: Date.now() };
        return reply({ body: projectView(changed), revision: project.revision + 1 });
      },
    }),
  ];
}

function projectView({ id, orgId, name, createdAt, updatedAt }: Project): z.input<typeof ProjectView> {
  return { id, org_id: orgId, name, created_at: toSeconds(createdAt), updated_at: toSeconds(updatedAt) };
}
