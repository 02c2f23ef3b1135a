import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations, type Installation } from '../../db/github/installations.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { InstallationToken, MintRequest } from '../../providers/github/app/mint.ts';
import type { GitHubBroker } from '../github/github.ts';
import { refusedToken, refuseUnusable } from '../github/reach.ts';
import { createMintBudget, type MintBudget } from '../mint-budget.ts';
import { createIssuance, type Made, marginMs, type Request } from './issuance.ts';
import { createTokenRevoker } from './revocation.ts';

export type Wanted = Request & {
  installationId: string;
  /** GitHub's numbers. */
  repositoryIds: number[];
  permissions: Record<string, string>;
  /** For code that nobody has vouched for: it shares its token with nobody, so that it ends with the build. */
  alone: boolean;
};

type Minted = Made & { githubAppId: string; permissions: Record<string, string> };

/** What of GitHub's broker is needed here. */
type TokenMaker = Pick<GitHubBroker, 'revokeToken'> & {
  asApp(githubAppId: string): Promise<{
    mintToken(wanted: MintRequest): Promise<Pick<InstallationToken, 'token' | 'expiresAt' | 'permissions'>>;
  }>;
};

/** What GitHub gives. */
const lifeMs = 3_600_000;
/** The longest that may be asked for: an hour, less what a token loses on its way. */
export const longestTtlMs = lifeMs - marginMs;

/** Gives away tokens of GitHub's installations, narrow and short-lived. */
export function createExchange({
  database,
  keyring,
  broker,
  budget = createMintBudget(),
}: {
  database: Database;
  keyring: Keyring;
  broker: TokenMaker;
  /** Shared with whatever else makes tokens for people. */
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

  return createIssuance<Wanted, Minted>({
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

    async make(wanted) {
      const { installation, app } = await reach(wanted.installationId);
      const { repositoryIds, permissions } = wanted;
      budget(app, wanted.orgId);
      const asApp = await broker.asApp(app.id);
      const askedAt = Date.now();
      const made = await asApp
        .mintToken({ installationId: installation.externalId, repositoryIds, permissions })
        .catch((error: unknown) => {
          throw refusedToken(error, installation, wanted);
        });
      // By our clock, which need not be GitHub's: nobody is told that it lives longer than it does.
      const expiresAt = Math.min(made.expiresAt, askedAt + lifeMs);
      return { token: made.token, expiresAt, permissions: made.permissions, githubAppId: app.id };
    },
  });
}

export type Exchange = ReturnType<typeof createExchange>;
