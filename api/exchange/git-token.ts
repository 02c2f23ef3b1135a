import { type GitTokens, longestTtlMs, type WantedGitToken } from '../../broker/exchange/git-tokens.ts';
import { allInstallations } from '../../db/github/installations.ts';
import { type Repository, repositoriesIn } from '../../db/github/repositories.ts';
import { type Project, projectsFor } from '../../db/people/projects.ts';
import type { Database } from '../../db/store/connection.ts';
import { type Narrowing, type Purpose, permissionsFor, unvouchedFor } from '../../domain/exchange/token-purposes.ts';
import { isId } from '../../domain/ids.ts';
import { askProvider } from '../http/ask-provider.ts';
import { Problem, required } from '../http/problems.ts';
import {
  type ExchangeBody,
  type ExchangeRequest,
  type Format,
  integrationFor,
  longestTtlSeconds,
  type MintedCredential,
  onCutOff,
  requireHost,
  requireIssuer,
  subjectOf,
} from './exchange-request.ts';

const kinds = ['github'];

type Deps = { database: Database; gitTokens: GitTokens };

/** Exchanges for a token for repositories of a Git host. */
export async function exchangeGitToken(
  deps: Deps,
  request: ExchangeRequest,
  purpose: Purpose,
): Promise<MintedCredential> {
  const resolved = await resolve(deps, request, purpose);
  const minted = await mint(deps, resolved);
  const { project, wanted, repositories, hostUrl, appId, narrowed, format } = resolved;
  const { permissions, expiresAt } = minted;
  return {
    project,
    issuer: wanted.issuer,
    kinds,
    mintedTokenId: minted.id,
    purpose,
    appId,
    buildId: wanted.buildId,
    expiresAt,
    scope: { repositories: repositories.map((one) => one.id), permissions, ...(narrowed && { narrowed }) },
    effective: {
      host_url: hostUrl,
      repositories: repositories.map((one) => ({ id: one.id, full_name: one.fullName })),
      permissions,
      narrowed: narrowed ?? null,
    },
    members: formatToken(format, minted.token, hostUrl),
    claim: (trx) => deps.gitTokens.claim(trx, wanted, minted),
    discard: () => deps.gitTokens.discard(minted),
  };
}

/** The token that the broker mints, and the facts that the lease stores. */
type Resolved = {
  project: Project;
  wanted: WantedGitToken;
  hostUrl: string;
  repositories: Repository[];
  appId: string | null;
  format: TokenFormat;
  /** Why the token may do less than the caller asked for. */
  narrowed: Narrowing | undefined;
};

type TokenFormat = Exclude<Format, 'docker_config'>;

/** Decides from the database alone what the caller may have. */
async function resolve({ database }: Deps, request: ExchangeRequest, purpose: Purpose): Promise<Resolved> {
  const { tenant, projectId, body } = request;
  const { format = 'bearer' } = body;
  if (format === 'docker_config') {
    throw new Problem('invalid_request', 'Use the format `docker_config` only for the purposes `pull` and `push`.');
  }
  const project = required(await projectsFor(database.reader, tenant).find(projectId));
  const { app, build, bound } = await subjectOf(database, request);
  if (app && !build && !app.source)
    throw new Problem('source_missing', 'Set the source of the app first: `PUT /v1/apps/{app}/source`.');
  const source = build ?? app?.source;
  const choice = { projectId: project.id, kinds, own: source?.integrationId, body };
  const chosen = await integrationFor(database.reader, choice);
  const { issuer, hostUrl } = await requireIssuer(database.reader, { projectId: project.id, chosen, kinds });
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
    appId: app?.id ?? null,
    format,
    narrowed,
  };
}

function mint({ database, gitTokens }: Deps, { wanted }: Resolved) {
  return askProvider(() => gitTokens.mint(wanted), 'token').catch(onCutOff(database.reader, wanted.issuer, kinds));
}

function minTtlOf({ min_ttl: seconds }: ExchangeBody): number | undefined {
  if (seconds === undefined) return undefined;
  if (seconds * 1000 > longestTtlMs) {
    throw new Problem(
      'min_ttl_too_long',
      `GitHub tokens are valid for an hour. Send a \`min_ttl\` of at most ${longestTtlSeconds}.`,
    );
  }
  return seconds * 1000;
}

/** Returns the repository of the build or app, or those that the caller names. A bound caller may name no other. */
function repositoriesOf(
  { own, bound }: { own: string | undefined; bound: boolean },
  named: string[] | undefined,
): string[] {
  const beyond = bound ? named?.find((one) => one !== own) : undefined;
  if (beyond)
    throw new Problem(
      'repository_not_reachable',
      `${beyond} is not the repository of the app. Omit \`repositories\`, or use another app.`,
    );
  const wanted = named ?? (own === undefined ? [] : [own]);
  if (wanted.length === 0) {
    throw new Problem('invalid_request', 'Send `app_id`, `build_id` or `repositories`.', {
      errors: [{ path: 'body.repositories', message: 'is required without `app_id` and `build_id`' }],
    });
  }
  return [...new Set(wanted)];
}

/**
 * Returns the ids of the named repositories. Looks names up among those that the integration reaches, former names too.
 * A wiki is a Git repository of its own, `acme/shop.wiki`, which the token of `acme/shop` opens.
 */
async function namedRepositories(
  { reader }: Database,
  integrationId: string,
  named: string[] | undefined,
): Promise<string[] | undefined> {
  if (!named) return undefined;
  const names = named.filter((one) => !isId('repo', one));
  const found =
    names.length === 0
      ? new Map<string, Repository>()
      : await repositoriesIn(reader).findAllByName(integrationId, [...names, ...names.map(withoutWiki)]);
  return named.map((one) => {
    if (isId('repo', one)) return one;
    const repository = found.get(one.toLowerCase()) ?? found.get(withoutWiki(one).toLowerCase());
    if (!repository)
      throw new Problem(
        'repository_not_reachable',
        `The integration has no access to ${one}. Give the GitHub App access to it.`,
      );
    return repository.id;
  });
}

function withoutWiki(name: string): string {
  return name.replace(/\.wiki$/i, '');
}

async function reachable({ reader }: Database, integrationId: string, ids: string[]): Promise<Repository[]> {
  const found = await repositoriesIn(reader).findAllReachable(integrationId, ids);
  const missing = ids.find((one) => !found.some((repository) => repository.id === one));
  if (missing)
    throw new Problem(
      'repository_not_reachable',
      `The integration has no access to ${missing}. Give the GitHub App access to it.`,
    );
  if (new Set(found.map(({ installationId }) => installationId)).size > 1) {
    throw new Problem(
      'repository_not_reachable',
      'The repositories belong to several installations. Request one credential for each installation.',
    );
  }
  return found;
}

/** GitHub accepts any user name with a token, and documents this one. */
const username = 'x-access-token';

/** Prints the token in the requested format. Every member is secret, or says how to use a secret one. */
function formatToken(format: TokenFormat, token: string, hostUrl: string): Record<string, unknown> {
  if (format === 'bearer') return { token };
  if (format === 'basic') return { username, password: token };
  const basic = Buffer.from(`${username}:${token}`).toString('base64');
  return {
    env: {
      GH_HOST: new URL(hostUrl).host,
      [isHosted(hostUrl) ? 'GH_TOKEN' : 'GH_ENTERPRISE_TOKEN']: token,
      // Git must not prompt, and must not write the token into its configuration.
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
