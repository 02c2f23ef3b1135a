import type { Exchange, Wanted } from '../../broker/exchange/git-tokens.ts';
import { longestTtlMs } from '../../broker/exchange/git-tokens.ts';
import { allInstallations } from '../../db/github/installations.ts';
import type { Repository } from '../../db/github/repositories.ts';
import { repositoriesIn } from '../../db/github/repositories.ts';
import type { Project } from '../../db/people/projects.ts';
import { projectsFor } from '../../db/people/projects.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Narrowing, Purpose } from '../../domain/exchange/token-purposes.ts';
import { permissionsFor, unvouchedFor } from '../../domain/exchange/token-purposes.ts';
import { isId } from '../../domain/ids.ts';
import { askProvider, ofTokens } from '../http/ask-provider.ts';
import { Problem, required } from '../http/problems.ts';
import {
  type Asked,
  type ExchangeBody,
  type formats,
  integrationFor,
  longestTtlSeconds,
  onCutOff,
  type ReadyCredential,
  requireHost,
  requireIssuer,
  subjectOf,
} from './exchange-request.ts';

const kinds = ['github'];

/** A token for repositories of a Git host. */
export async function readyToken(
  { database, exchange }: { database: Database; exchange: Exchange },
  asked: Asked,
  purpose: Purpose,
): Promise<ReadyCredential> {
  const format = asked.body.format ?? 'bearer';
  if (format === 'docker_config') {
    throw new Problem('invalid_request', 'The format `docker_config` is for the purposes `pull` and `push`.');
  }
  const { project, wanted, repositories, hostUrl, appId, narrowed } = await resolveExchange(database, asked, purpose);
  const { issuer, buildId } = wanted;
  const issued = await askProvider(() => exchange.get(wanted), ofTokens).catch(
    onCutOff(database.reader, issuer, kinds),
  );
  const { permissions, expiresAt } = issued;
  return {
    project,
    issuer,
    kinds,
    mintedTokenId: issued.id,
    purpose,
    appId,
    buildId,
    expiresAt,
    scope: { repositories: repositories.map((one) => one.id), permissions, ...(narrowed && { narrowed }) },
    effective: {
      host_url: hostUrl,
      repositories: repositories.map((one) => ({ id: one.id, full_name: one.fullName })),
      permissions,
      narrowed: narrowed ?? null,
    },
    members: formatToken(format, issued.token, hostUrl),
    claim: (trx) => exchange.claim(trx, wanted, issued),
    discard: () => exchange.discard(issued),
  };
}

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

/** Finds out what the caller may have of what it asks for. Looks only at what we know. */
export async function resolveExchange(database: Database, asked: Asked, purpose: Purpose): Promise<ResolvedExchange> {
  const { tenant, projectId, body } = asked;
  const project = required(await projectsFor(database.reader, tenant).find(projectId));
  const { app, build, bound } = await subjectOf(database, asked);
  if (app && !build && !app.source) throw new Problem('source_missing', 'Set the app’s source first.');
  const source = build ?? app?.source;
  const chosen = await integrationFor(database.reader, {
    projectId: project.id,
    kinds: ['github'],
    own: source?.integrationId,
    body,
  });
  const { issuer, hostUrl } = await requireIssuer(database.reader, {
    projectId: project.id,
    chosen,
    kinds: ['github'],
  });
  requireHost(body, hostUrl);
  const named = await namedRepositories(database, issuer.id, body.repositories);
  const repositories = await reachable(
    database,
    issuer.id,
    repositoriesOf({ own: source?.repositoryId, bound }, named),
  );
  const installationId = repositories[0]?.installationId ?? '';
  const installation = await allInstallations(database.reader).find(installationId);
  const { permissions, narrowed } = permissionsFor(purpose, installation?.permissions ?? {}, build);
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
    purpose,
    appId: app?.id ?? null,
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

/** A build, and a token of an app, has one repository; others name theirs. */
function repositoriesOf(
  { own, bound }: { own: string | undefined; bound: boolean },
  named: string[] | undefined,
): string[] {
  const beyond = bound ? named?.find((one) => one !== own) : undefined;
  if (beyond) throw new Problem('repository_not_reachable', `${beyond} is not the repository of the app.`);
  const wanted = named ?? (own === undefined ? [] : [own]);
  if (wanted.length === 0) {
    throw new Problem('invalid_request', 'Name an app, a build or `repositories`.', {
      errors: [{ path: 'body.repositories', message: 'is needed where neither an app nor a build is named' }],
    });
  }
  return [...new Set(wanted)];
}

/** By our ids; names are looked up among what the integration reaches. */
async function namedRepositories(
  { reader }: Database,
  integrationId: string,
  named: string[] | undefined,
): Promise<string[] | undefined> {
  if (!named) return undefined;
  const names = named.filter((one) => !isId('repo', one));
  const found = names.length === 0 ? [] : await repositoriesIn(reader).findAllByName(integrationId, names);
  return named.map((one) => {
    if (isId('repo', one)) return one;
    const repository = found.find(({ fullName }) => fullName.toLowerCase() === one.toLowerCase());
    if (!repository) throw new Problem('repository_not_reachable', `The integration does not reach ${one}.`);
    return repository.id;
  });
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

/** GitHub takes any name beside a token, and documents this one. */
const username = 'x-access-token';

/** The token as its user takes it; every member here is secret, or says how to use one that is. */
function formatToken(format: (typeof formats)[number], token: string, hostUrl: string): Record<string, unknown> {
  if (format === 'bearer') return { token };
  if (format === 'basic') return { username, password: token };
  const basic = Buffer.from(`${username}:${token}`).toString('base64');
  return {
    env: {
      GH_HOST: new URL(hostUrl).host,
      [isHosted(hostUrl) ? 'GH_TOKEN' : 'GH_ENTERPRISE_TOKEN']: token,
      // So that git asks nobody, and writes nothing into its configuration.
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: `http.${new URL(hostUrl).origin}/.extraheader`,
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    },
  };
}

function isHosted(hostUrl: string): boolean {
  const { hostname } = new URL(hostUrl);
  return hostname === 'github.com' || hostname.endsWith('.ghe.com');
}
