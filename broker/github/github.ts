import { setTimeout as sleep } from 'node:timers/promises';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations } from '../../db/github/installations.ts';
import { repositoriesIn, type SeenRepository } from '../../db/github/repositories.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import type { Fetch } from '../../providers/egress/guarded-fetch.ts';
import { ProviderError } from '../../providers/failure.ts';
import { createGitHub, type GitHubAsApp, type GitHubWithToken } from '../../providers/github/github.ts';
import { inspectWorkflow } from '../../providers/github/repository/workflow-file.ts';
import { createExpiringCache } from '../cache.ts';
import { createLanes } from '../lanes.ts';
import { createMintBudget, type MintBudget } from '../mint-budget.ts';
import type { TrafficControl } from '../traffic/traffic.ts';
import { followingRename } from './follow-rename.ts';
import { reachOf, refusedToken, refuseUnusable } from './reach.ts';

export type GitHubBroker = ReturnType<typeof createGitHubBroker>;

export type ReachableRepository = {
  /** A client with a token for this repository and these permissions only. */
  github: GitHubWithToken;
  fullName: string;
  externalId: number;
  defaultBranch: string;
};

type Permissions = Record<string, string>;
type SeenName = Omit<SeenRepository, 'externalId'>;
/** `ownerId` is the project or organization that the call is for. Owners never share a token. */
export type Asking = { ownerId: string; repositoryId: string };
/** `externalId` is GitHub's number of the installation. */
type Minted = { token: string; expiresAt: number; externalId: number };

/** Tokens near their expiry are not handed out, so that the call ends before the token does. */
const marginMs = 5 * 60_000;
/** The timeout of a call that a person waits for. */
const interactiveMs = 5_000;

/**
 * Gives short-lived access to GitHub. Tokens are narrow, kept in memory only, and shared by callers that need the same.
 * Callers never see a token: they get a client that carries one.
 */
export function createGitHubBroker({
  database,
  keyring,
  fetch,
  traffic,
  budget = createMintBudget(),
}: {
  database: Database;
  keyring: Keyring;
  fetch: Fetch;
  /** If absent, no request is held back. */
  traffic?: TrafficControl | undefined;
  /** Shared with all other code that mints tokens for people. */
  budget?: MintBudget;
}) {
  const tokens = createExpiringCache<Minted>({ marginMs });
  const lanes = createLanes();

  /** `timeoutMs` marks a call that a person waits for. Such a call may use the reserved part of the rate limit. */
  function githubOf({ hostUrl, apiUrl }: GithubApp, timeoutMs?: number) {
    const host = githubHost(hostUrl, apiUrl);
    const interactive = timeoutMs !== undefined && { timeoutMs, urgent: true };
    return createGitHub({ host, fetch, traffic: traffic?.of(host), webTraffic: traffic?.ofWeb(host), ...interactive });
  }

  async function appClient(app: GithubApp, timeoutMs?: number): Promise<GitHubAsApp> {
    const privateKey = await githubAppSecrets(database.reader, keyring).privateKey(app.id);
    if (!privateKey) {
      throw new ProviderError({
        provider: 'github',
        code: 'app_credentials_rejected',
        message: `The GitHub App ${app.slug} has no private key here`,
      });
    }
    return githubOf(app, timeoutMs).asApp({ appId: app.appId, privateKey });
  }

  /** `repositoryIds` are GitHub's numbers. If absent, the token reaches every repository of the installation. */
  async function installationClient(
    app: GithubApp,
    installationId: string,
    wanted: { ownerId: string; repositoryIds?: number[]; permissions: Permissions; timeoutMs?: number | undefined },
  ): Promise<GitHubWithToken> {
    const { ownerId, repositoryIds, permissions, timeoutMs } = wanted;
    // Installation numbers are unique per host only, and the App's row stands for its host.
    const narrowedTo = [repositoryIds ?? 'all', Object.entries(permissions).sort()];
    const key = JSON.stringify([ownerId, app.id, installationId, narrowedTo]);
    const mint = async (): Promise<Minted> => {
      const installation = await usable(installationId);
      const request = { installationId: installation.externalId, permissions, ...(repositoryIds && { repositoryIds }) };
      if (timeoutMs !== undefined) budget(app, installation.orgId ?? ownerId);
      const asApp = await appClient(app, timeoutMs);
      const token = await asApp.mintToken(request).catch((error: unknown) => {
        throw refusedToken(error, installation, wanted);
      });
      // The integration may have been cut off while the token was minted.
      await usable(installationId);
      return { ...token, externalId: installation.externalId };
    };
    const minted = await tokens.get(key, mint, { owner: `${ownerId} ${app.id}` });
    const client = githubOf(app, timeoutMs).withToken(minted.token, minted.externalId);
    return forgettingRejected(client, () => tokens.drop(key, minted));
  }

  async function usable(installationId: string) {
    const installation = await allInstallations(database.reader).find(installationId);
    if (!installation) {
      throw new ProviderError({
        provider: 'github',
        code: 'installation_gone',
        message: 'There is no such installation',
      });
    }
    refuseUnusable(installation);
    return installation;
  }

  async function forRepository(
    wanted: Asking & { permissions: Permissions; timeoutMs?: number },
  ): Promise<ReachableRepository> {
    const { repository, installation, app } = await reachOf(database.reader, wanted.repositoryId);
    const github = await installationClient(app, installation.id, {
      ownerId: wanted.ownerId,
      repositoryIds: [repository.externalId],
      permissions: wanted.permissions,
      timeoutMs: wanted.timeoutMs,
    });
    const { fullName, externalId, defaultBranch } = repository;
    const learn = (renamed: SeenName) => rememberName(repository.id, { ...renamed, externalId });
    return { github: followingRename(github, repository, learn), fullName, externalId, defaultBranch };
  }

  async function rememberName(repositoryId: string, seen: SeenRepository): Promise<void> {
    await database.write((trx) => repositoriesIn(trx).updateDescription(repositoryId, seen));
  }

  /** Reads on behalf of a waiting person, and gives up in time, whichever of its requests is slow. */
  async function interactively<Result>(
    asking: Asking,
    read: (repository: ReachableRepository) => Promise<Result>,
  ): Promise<Result> {
    const wanted = { ...asking, permissions: { contents: 'read' }, timeoutMs: interactiveMs };
    const answered = new AbortController();
    const tooLong = sleep(interactiveMs, undefined, { signal: answered.signal }).then(() => {
      throw new ProviderError({ provider: 'github', code: 'timeout', message: 'GitHub did not answer within 5 s' });
    });
    tooLong.catch(() => undefined);
    try {
      const { installation, app } = await reachOf(database.reader, asking.repositoryId);
      const inTurn = lanes(installation.orgId ?? app.orgId ?? asking.ownerId, async () => {
        answered.signal.throwIfAborted();
        return read(await forRepository(wanted));
      });
      return await Promise.race([inTurn, tooLong]);
    } finally {
      answered.abort();
    }
  }

  return {
    forRepository,

    /** The App itself: its installations, and nothing inside them. */
    async asApp(githubAppId: string): Promise<GitHubAsApp> {
      const app = await githubAppsIn(database.reader).find(githubAppId);
      if (!app) throw new ProviderError({ provider: 'github', code: 'gone', message: 'There is no such GitHub App' });
      return appClient(app);
    },

    /** Revokes a token of this App's installations. A token that has already ended counts as revoked. */
    async revokeToken(githubAppId: string, token: string): Promise<void> {
      const app = await githubAppsIn(database.reader).find(githubAppId);
      if (!app) throw new ProviderError({ provider: 'github', code: 'gone', message: 'There is no such GitHub App' });
      await githubOf(app).withToken(token).revokeToken();
    },

    /** A client that lists the repositories of an installation. */
    async forInstallation(installationId: string): Promise<GitHubWithToken> {
      const installation = await usable(installationId);
      const app = await githubAppsIn(database.reader).find(installation.githubAppId);
      if (!app) throw new ProviderError({ provider: 'github', code: 'gone', message: 'There is no such GitHub App' });
      return installationClient(app, installation.id, { ownerId: 'sync', permissions: { metadata: 'read' } });
    },

    /**
     * Finds a repository by GitHub's number if this installation reaches it now. A new token is minted for that number
     * alone, which GitHub rejects (`not_found`) for any other repository. An older token could read every public
     * repository.
     */
    async reachedRepository(installationId: string, externalId: number) {
      const installation = await usable(installationId);
      const { githubAppId, externalId: number } = installation;
      const app = await githubAppsIn(database.reader).find(githubAppId);
      if (!app) throw new ProviderError({ provider: 'github', code: 'gone', message: 'There is no such GitHub App' });
      const wanted = { repositoryIds: [externalId], permissions: { metadata: 'read' } };
      const asApp = await appClient(app);
      const { token } = await asApp.mintToken({ installationId: number, ...wanted }).catch((error: unknown) => {
        throw refusedToken(error, installation, wanted);
      });
      return githubOf(app).withToken(token, number).getRepositoryById(externalId);
    },

    /** Live: a page of 100 branches, or all branches that begin with `q`. */
    async branches(asking: Asking, page: { page?: number; q?: string }) {
      return interactively(asking, ({ github, fullName }) => github.listBranches(fullName, page));
    },

    /** Live: the commit at the head of a branch, if the branch exists. */
    async branchHead(asking: Asking, branch: string): Promise<string | undefined> {
      const found = await interactively(asking, async (known) => {
        const { fullName } = await asItIsNow(known);
        return known.github.getBranch(fullName, branch);
      });
      return found?.sha;
    },

    /** Live: whether the tag points to this commit, or the branch has it in its history. */
    async liesOn(asking: Asking, sha: string, ref: { kind: 'heads' | 'tags'; name: string }): Promise<boolean> {
      const found = await interactively(asking, async (known) => {
        const { fullName } = await asItIsNow(known);
        return known.github.compare(fullName, sha, `refs/${ref.kind}/${ref.name}`);
      });
      return found === 'identical' || (found === 'ahead' && ref.kind === 'heads');
    },

    /** Live: the parsed workflow file on the default branch, if it exists. */
    async inspectWorkflowFile(asking: Asking, workflowFile: string, inputs: string[]) {
      const path = `.github/workflows/${workflowFile}`;
      const text = await interactively(asking, async (known) => {
        const { fullName, defaultBranch } = await asItIsNow(known);
        return known.github.readFile(fullName, path, defaultBranch);
      });
      return text === undefined ? undefined : inspectWorkflow(text, inputs);
    },
  };
}

/**
 * Callers that decide by what they read ask for this first. Under an old name they might read another repository that
 * has taken over the name.
 */
async function asItIsNow({ github, externalId }: ReachableRepository): Promise<SeenName> {
  const repository = await github.getRepositoryById(externalId);
  if (repository) return repository;
  throw new ProviderError({
    provider: 'github',
    code: 'not_found',
    message: 'The App no longer reaches the repository',
  });
}

/** Prevents the next caller from getting a token that GitHub has rejected. */
function forgettingRejected(client: GitHubWithToken, forget: () => void): GitHubWithToken {
  const wrapped = Object.entries(client).map(([name, method]) => [
    name,
    async (...parameters: unknown[]) => {
      try {
        return await (method as (...all: unknown[]) => Promise<unknown>)(...parameters);
      } catch (error) {
        if (error instanceof ProviderError && error.code === 'token_rejected') forget();
        throw error;
      }
    },
  ]);
  return Object.fromEntries(wrapped) as GitHubWithToken;
}
