import { z } from 'zod';
import { buildEventsFor } from '../../db/builds/build-events.ts';
import { uncertainCode } from '../../db/builds/build-runs.ts';
import { type Build, buildsFor, cancelBuild } from '../../db/builds/builds.ts';
import { type RerunObstacle, rerunBuild } from '../../db/builds/rerun-build.ts';
import { incidentsFor } from '../../db/ops/incidents.ts';
import type { Transaction } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { buildStatuses, isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { id, PageQuery, pageRequest } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { requireUsable } from '../integrations/unusable.ts';
import { BuildEventView, BuildView, buildEventView, buildView } from './build-view.ts';
import { triggerBuildRoutes } from './trigger-build.ts';

const Params = z.strictObject({ build: id('bld') });

export function buildRoutes(deps: Pick<ApiDeps, 'database' | 'broker' | 'links'>): Endpoint[] {
  const { database, links } = deps;
  return [
    ...triggerBuildRoutes(deps),
    endpoint({
      method: 'get',
      path: '/v1/builds',
      operationId: 'listBuilds',
      tag: 'builds',
      summary: 'List builds',
      access: 'builds:read',
      query: PageQuery.extend({
        project_id: id('prj').optional(),
        app_id: id('app').optional(),
        pipeline_id: id('pip').optional(),
        status: z.enum(buildStatuses).optional(),
      }),
      success: { status: 200, body: z.array(BuildView) },
      async read({ tenant, query: { project_id, app_id, pipeline_id, status, ...page } }) {
        const filter = { projectId: project_id, appId: app_id, pipelineId: pipeline_id, status };
        const { items, next } = await buildsFor(database.reader, tenant).list(filter, pageRequest(page));
        return reply({ body: items.map((build) => buildView(build, links)), next });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/builds/{build}',
      operationId: 'getBuild',
      tag: 'builds',
      etag: true,
      summary: 'Get a build',
      access: 'builds:read',
      params: Params,
      success: { status: 200, body: BuildView },
      async read({ tenant, params }) {
        const build = required(await buildsFor(database.reader, tenant).find(params.build));
        return reply({ body: buildView(build, links), revision: build.revision });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/builds/{build}/events',
      operationId: 'listBuildEvents',
      tag: 'builds',
      summary: 'List the events of a build',
      access: 'builds:read',
      params: Params,
      query: PageQuery,
      success: { status: 200, body: z.array(BuildEventView) },
      async read({ tenant, params, query }) {
        const build = required(await buildsFor(database.reader, tenant).find(params.build));
        const { items, next } = await buildEventsFor(database.reader, tenant).list(build.id, pageRequest(query));
        return reply({ body: items.map(buildEventView), next });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/builds/{build}/cancel',
      operationId: 'cancelBuild',
      tag: 'builds',
      summary: 'Cancel a build',
      description:
        'A build that has not been dispatched is canceled immediately (200). For a dispatched build, Fairlead asks GitHub to end its run (202). You can repeat the request.',
      access: 'builds:cancel',
      params: Params,
      success: { status: 202, body: BuildView },
      problems: ['invalid_transition'],
      async write({ trx, tenant, params, audit }) {
        const builds = buildsFor(trx, tenant);
        const build = required(await builds.find(params.build));
        const done = build.status === 'canceled' || build.cancelRequested;
        if (!done) {
          await cancel(trx, build);
          const { id: target, orgId, projectId } = build;
          await audit({ orgId, projectId, action: 'build.cancel_requested', target });
        }
        const now = (await builds.find(build.id)) ?? build;
        return reply({ body: buildView(now, links), status: isFinalBuildStatus(now.status) ? 200 : 202 });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/builds/{build}/rerun',
      operationId: 'rerunBuild',
      tag: 'builds',
      summary: 'Rerun a build',
      description:
        'Creates a build of the same commit with the pipeline as it was then. The build must have ended or be `uncertain`; an `uncertain` build ends. The pipeline must be enabled, and the project must be able to use the integration. A build of a fork is blocked again.',
      access: 'builds:trigger',
      params: Params,
      success: { status: 201, body: BuildView },
      problems: ['invalid_transition', 'event_not_enabled', 'integration_unusable', 'no_integration'],
      async write({ trx, tenant, params, caller, audit }) {
        const source = required(await buildsFor(trx, tenant).find(params.build));
        const isUncertain = source.status === 'uncertain';
        if (isUncertain) await endUncertain(trx, tenant, source);
        const over: Build = isUncertain ? { ...source, status: 'superseded' } : source;
        const done = await rerunBuild(trx, over, { createdBy: caller.id });
        if ('obstacle' in done) throw refusalOf(done.obstacle, source);
        const { build } = done;
        await requireUsable(trx, build.integrationId);
        const { id: target, orgId, projectId } = build;
        await audit({ orgId, projectId, action: 'build.rerun', target, detail: { rerun_of: source.id } });
        return reply({ body: buildView(build, links) });
      },
    }),
  ];
}

async function cancel(trx: Transaction, build: Build): Promise<void> {
  if (await cancelBuild(trx, build.id, 'canceled_by_request')) return;
  throw new Problem('invalid_transition', `The build has already ended with the status ${build.status}.`);
}

/** Returns the same problem as a manual build start does. */
function refusalOf(obstacle: RerunObstacle, { status }: Build): Problem {
  switch (obstacle) {
    case 'build_not_over':
      return new Problem('invalid_transition', `The build is ${status}. Cancel it first, or wait until it ends.`);
    case 'pipeline_deleted':
      return new Problem('invalid_transition', 'The pipeline was deleted. Use another pipeline.');
    case 'app_deleted':
      return new Problem('invalid_transition', 'The app was deleted. It can no longer be built.');
    case 'pipeline_disabled':
      return new Problem('event_not_enabled', 'Enable the pipeline first.');
    case 'integration_not_granted':
      return new Problem(
        'no_integration',
        'The organization does not grant this integration to the project. Set another source.',
      );
  }
}

/**
 * Ends an uncertain build, because a person has looked at it and wants another run. If GitHub did start the first run,
 * that person must cancel it there.
 */
async function endUncertain(trx: Transaction, tenant: TenantScope, source: Build): Promise<void> {
  const builds = buildsFor(trx, tenant);
  const reason = 'rerun';
  await builds.requestCancel(source.id, reason);
  if (!(await builds.moveStatus(source.id, 'superseded', { reason, from: ['uncertain'] }))) {
    throw new Problem('invalid_transition', 'The status of the build has changed. Read the build again.');
  }
  // From here on, the new build reports the commit's status.
  await builds.markReported(source.id, 'superseded');
  await incidentsFor(trx, tenant).resolveSubject(uncertainCode, source.id);
}
