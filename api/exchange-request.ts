import { z } from 'zod';
import { longestTtlMs, type Wanted } from '../broker/exchange.ts';
import { appsIn } from '../db/apps.ts';
import { type Build, buildsIn } from '../db/builds.ts';
import type { Database, Db } from '../db/connection.ts';
import { installationsIn } from '../db/installations.ts';
import { type FoundIssuer, findIssuer } from '../db/issuers.ts';
import { type Project, projectsIn } from '../db/projects.ts';
import { type Repository, repositoriesIn } from '../db/repositories.ts';
import { everything, type TenantScope } from '../db/tenant.ts';
import { isFinalBuildStatus } from '../domain/build-status.ts';
import { usableIntegrationStatuses } from '../domain/integration-status.ts';
import { type Narrowing, type Purpose, permissionsFor, purposes, unvouchedFor } from '../domain/token-purposes.ts';
import type { Caller } from './caller.ts';
import { chooseIntegration } from './choose-integration.ts';
import { id } from './input.ts';
import { Problem } from './problems.ts';

export const formats = ['bearer', 'basic', 'env'] as const;
const longestTtlSeconds = longestTtlMs / 1000;

export const ExchangeBody = z.strictObject({
  purpose: z
    .enum(purposes)
    .describe('`clone` reads the contents of repositories; `status` writes commit statuses and checks'),
  integration_id: id('int').optional().describe('Where neither an app nor a build says it and several would fit'),
  app_id: id('app').optional().describe('For this app: its integration, and its repository unless others are named'),
  build_id: id('bld').optional().describe('For this build: its repository, as long as it has not ended'),
  repositories: z.array(id('repo')).min(1).max(100).optional(),
  min_ttl: z.int().min(0).optional().describe(`Seconds that it must be good for; ${longestTtlSeconds} at most`),
  format: z.enum(formats).default('bearer'),
});
export type ExchangeBody = z.output<typeof ExchangeBody>;

/** What is to be asked of the provider, and what of it the lease remembers. */
export type ResolvedExchange = {
  project: Project;
  wanted: Wanted;
  hostUrl: string;
  repositories: Repository[];
  purpose: Purpose;
  appId: string | null;
  /** Why it is less than what was asked for. */
  narrowed: Narrowing | undefined;
};

type Asked = { tenant: TenantScope; caller: Caller; projectId: string; body: ExchangeBody };
/** Whom it is for, and which repositories that may be; none of the two where a project asks for itself. */
type Subject = { appId: string | null; build?: Build; integrationId?: string; repositoryId?: string; bound: boolean };

/** Finds out what the caller may have of what it asks for. Looks only at what we know. */
export async function resolveExchange(database: Database, asked: Asked): Promise<ResolvedExchange> {
  const { tenant, projectId, body } = asked;
  const project = await projectsIn(database.reader, tenant).find(projectId);
  if (!project) throw new Problem('not_found');
  const subject = await subjectOf(database, asked);
  const { appId, build } = subject;
  if (subject.integrationId && body.integration_id && body.integration_id !== subject.integrationId) {
    throw new Problem('repository_not_reachable', 'Leave `integration_id` out: the app has an integration already.');
  }
  const named = subject.integrationId ?? body.integration_id;
  const chosen = named ?? (await chooseIntegration(database.reader, { projectId: project.id, kind: 'github' }));
  const { issuer, hostUrl } = await requireIssuer(database.reader, project.id, chosen);
  const repositories = await reachable(database, issuer.id, repositoriesOf(subject, body));
  const installationId = repositories[0]?.installationId ?? '';
  const installation = await installationsIn(database.reader, everything).find(installationId);
  const { permissions, narrowed } = permissionsFor(body.purpose, installation?.permissions ?? {}, build);
  return {
    project,
    wanted: {
      issuer,
      orgId: project.orgId,
      installationId,
      repositoryIds: repositories.map(({ externalId }) => externalId),
      permissions,
      buildId: build?.id ?? null,
      alone: unvouchedFor(build) !== undefined,
      minTtlMs: minTtlOf(body),
    },
    hostUrl,
    repositories,
    purpose: body.purpose,
    appId,
    narrowed,
  };
}

function minTtlOf({ min_ttl: seconds }: ExchangeBody): number | undefined {
  if (seconds === undefined) return undefined;
  if (seconds * 1000 > longestTtlMs) {
    throw new Problem('min_ttl_too_long', `GitHub’s tokens live an hour: ask for ${longestTtlSeconds} at most.`);
  }
  return seconds * 1000;
}

/** The app or build it is for: the one that the token is narrowed to, or the one that the body names. */
async function subjectOf({ reader }: Database, { tenant, caller, projectId, body }: Asked): Promise<Subject> {
  const bound = caller.narrowedTo;
  const buildId = bound?.buildId ?? body.build_id;
  const appId = bound?.appId ?? body.app_id;
  // Whatever is not the token's own is as absent as another tenant's.
  const foreign = (body.build_id ?? buildId) !== buildId || (body.app_id ?? appId) !== appId;
  const build = buildId === undefined ? undefined : await buildsIn(reader, tenant).find(buildId);
  const isOurs = !build || (build.projectId === projectId && (appId ?? build.appId) === build.appId);
  if (foreign || !isOurs || (buildId !== undefined && !build)) throw new Problem('not_found');
  if (build) {
    if (isFinalBuildStatus(build.status)) throw new Problem('invalid_transition', `The build is ${build.status}.`);
    const { integrationId, repositoryId } = build;
    return { appId: build.appId, build, integrationId, repositoryId, bound: true };
  }
  if (appId === undefined) return { appId: null, bound: false };
  const app = await appsIn(reader, tenant).find(appId);
  if (app?.projectId !== projectId) throw new Problem('not_found');
  if (!app.source) throw new Problem('source_missing', 'Set the app’s source first.');
  return { appId, ...app.source, bound: bound !== undefined };
}

/** A build, and a token of an app, has one repository; others name theirs. */
function repositoriesOf({ repositoryId, bound }: Subject, { repositories }: ExchangeBody): string[] {
  const beyond = bound ? repositories?.find((named) => named !== repositoryId) : undefined;
  if (beyond) throw new Problem('repository_not_reachable', `${beyond} is not the repository of the app.`);
  const wanted = repositories ?? (repositoryId === undefined ? [] : [repositoryId]);
  if (wanted.length === 0) {
    throw new Problem('invalid_request', 'Name an app, a build or `repositories`.', {
      errors: [{ path: 'body.repositories', message: 'is needed where neither an app nor a build is named' }],
    });
  }
  return [...new Set(wanted)];
}

/** Throws the problem that the integration has, if the project may not use it now. */
export async function requireIssuer(db: Db, projectId: string, integrationId: string): Promise<FoundIssuer> {
  const found = await findIssuer(db, projectId, integrationId);
  if (!found) throw new Problem('integration_missing', 'The project has no such integration: name another.');
  const { kind, status } = found;
  if (kind !== 'github') throw new Problem('provider_not_supported', 'Only GitHub gives such tokens.');
  if (status === 'deleting' || status === 'deleted') {
    const advice = 'Connect the account again, or give the app another source: `PUT /v1/apps/{app}/source`.';
    throw new Problem('integration_deleted', advice);
  }
  if (!usableIntegrationStatuses.includes(status)) {
    throw new Problem('integration_unusable', `The integration is ${status}.`, {
      members: { integration_id: integrationId, integration_status: status },
    });
  }
  return found;
}

/** It was cut off after it had been looked at: whatever is true of it now. */
export async function refuseCutOff(db: Db, { project, wanted }: ResolvedExchange): Promise<never> {
  await requireIssuer(db, project.id, wanted.issuer.id);
  throw new Problem('unavailable', 'The integration was changed meanwhile: ask again.');
}

async function reachable({ reader }: Database, integrationId: string, ids: string[]): Promise<Repository[]> {
  const found = await repositoriesIn(reader).findAllReachable(integrationId, ids);
  const missing = ids.find((one) => !found.some((repository) => repository.id === one));
  if (missing) throw new Problem('repository_not_reachable', `The integration does not reach ${missing}.`);
  if (new Set(found.map(({ installationId }) => installationId)).size > 1) {
    throw new Problem('repository_not_reachable', 'They are in several installations: exchange once for each.');
  }
  return found;
}
