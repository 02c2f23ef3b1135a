import { z } from 'zod';
import { deleteProject } from '../../db/deletion/owner-deletion.ts';
import { type Project, projectsFor } from '../../db/people/projects.ts';
import { type Caller, scopesIn } from '../http/caller.ts';
import { type Endpoint, endpoint, reply, requireRevision } from '../http/endpoint.ts';
import { id } from '../http/input.ts';
import { Accepted } from '../http/operation-view.ts';
import { Problem, required } from '../http/problems.ts';
import { DeletionQuery, requireMayRevoke } from './deletion-query.ts';

export function projectDeleteRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'delete',
      path: '/v1/projects/{project}',
      operationId: 'deleteProject',
      tag: 'projects',
      summary: 'Delete a project',
      description:
        'Deletes the project with its apps and integrations. Takes effect with the response. The operation ends when the last integration is deleted.',
      access: 'projects:write',
      params: z.strictObject({ project: id('prj') }),
      query: DeletionQuery,
      success: { status: 202, body: Accepted },
      problems: ['project_in_use', 'precondition_failed'],
      async write({ trx, tenant, caller, params, query, audit, ...request }) {
        const projects = projectsFor(trx, tenant);
        const project = required(await projects.find(params.project));
        requireRevision(request, project.revision);
        const { id, orgId } = project;
        requireMayRevoke(caller, orgId, query.revocation);
        const isInUse = await projects.isInUse(id);
        if (isInUse && query.if_unused === 'true') {
          throw new Problem('project_in_use', 'Delete its apps and integrations first, or omit `if_unused`.');
        }
        requireMayEmpty(caller, project, isInUse);
        return reply({ operation: await deleteProject(trx, id, { orgId, revocation: query.revocation, audit }) });
      },
    }),
  ];
}

/** A caller who may delete a project but not integrations may delete an empty project only. */
function requireMayEmpty(caller: Caller, { id, orgId }: Project, isInUse: boolean): void {
  if (!isInUse || scopesIn(caller, orgId, id).has('integrations:delete')) return;
  throw new Problem('missing_scope', 'The project is in use. You also need the scope integrations:delete.');
}
