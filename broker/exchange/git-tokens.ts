import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations, type Installation } from '../../db/github/installations.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { InstallationToken, MintRequest } from '../../providers/github/app/mint.ts';
import type { GitHubBroker } from '../github/github.ts';
import { refusedToken, refuseUnusable } from '../github/reach.ts';
import { createMintBudget, type MintBudget } from '../mint-budget.ts';
import { createMinter, type Minted, marginMs, type Wanted } from './minter.ts';
import { createTokenRevoker } from './revocation.ts';

export type WantedGitToken = Wanted & {
  installationId: string;
  /** GitHub's IDs of the repositories. */
  repositoryIds: number[];
  permissions: Record<string, string>;
  /** For unapproved code: the build shares its token with no other caller, and the token ends with the build. */
  alone: boolean;
};

type GitToken = Minted & { githubAppId: string; permissions: Record<string, string> };

/** The part of GitHub's broker that mints tokens. */
type TokenSource = Pick<GitHubBroker, 'revokeToken'> & {
  asApp(githubAppId: string): Promise<{
    mintToken(wanted: MintRequest): Promise<Pick<InstallationToken, 'token' | 'expiresAt' | 'permissions'>>;
  }>;
};

/** The lifetime of GitHub's tokens. */
const lifeMs = 3_600_000;
/** The longest `min_ttl`: an hour, less the margin in which no lease is issued. */
export const longestTtlMs = lifeMs - marginMs;

/** Mints tokens of GitHub's installations, narrowed to repositories and permissions. */
export function createGitTokens({
  database,
  keyring,
  broker,
  budget = createMintBudget(),
}: {
  database: Database;
  keyring: Keyring;
  broker: TokenSource;
  /** Shared with everything else that mints tokens on the operator's App. */
  budget?: MintBudget;
}) {
  const revoker = createTokenRevoker({ database, keyring, broker });

  async function reach(installationId: string): Promise<{ installation: Installation; app: GithubApp }> {
    const installation = await allInstallations(database.reader).find(installationId);
    const app = installation && (await githubAppsIn(database.reader).find(installation.githubAppId));
    if (!installation || !app) {
      throw new ProviderError({ provider: 'github', code: 'installation_gone', message: 'It is not installed' });
    }
    refuseUnusable(installation);
    return { installation, app };
  }

  return createMinter<WantedGitToken, GitToken>({
    database,
    keyring,
    revoke: revoker.revoke,
    undo: (_, { githubAppId, token }) => broker.revokeToken(githubAppId, token),
    installationOf: ({ installationId }) => installationId,
    describe: ({ installationId, repositoryIds }) => ({
      installation: installationId,
      repositories: repositoryIds.length,
    }),

    keyOf({ installationId, repositoryIds, permissions, alone, buildId }) {
      const narrowedTo = [[...repositoryIds].sort((a, b) => a - b), Object.entries(permissions).sort()];
      return [installationId, ...narrowedTo, alone ? buildId : null];
    },

    async mint(wanted) {
      const { installation, app } = await reach(wanted.installationId);
      const { repositoryIds, permissions } = wanted;
      budget(app, wanted.orgId);
      const asApp = await broker.asApp(app.id);
      const askedAt = Date.now();
      const minted = await asApp
        .mintToken({ installationId: installation.externalId, repositoryIds, permissions })
        .catch((error: unknown) => {
          throw refusedToken(error, installation, wanted);
        });
      // By our clock, which may differ from GitHub's: a lease must not outlive its token.
      const expiresAt = Math.min(minted.expiresAt, askedAt + lifeMs);
      return { token: minted.token, expiresAt, permissions: minted.permissions, githubAppId: app.id };
    },
  });
}

export type GitTokens = ReturnType<typeof createGitTokens>;
