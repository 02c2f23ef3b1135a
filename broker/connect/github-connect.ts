import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import type { Fetch } from '../../providers/egress/guarded-fetch.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { Installation, InstallationRequest } from '../../providers/github/app/as-app.ts';
import type { ConvertedApp } from '../../providers/github/app/conversion.ts';
import { createGitHub, type GitHub, type GitHubAsApp } from '../../providers/github/github.ts';
import { createLanes } from '../lanes.ts';
import { createCredentialChecks } from '../secrets/credential-checks.ts';
import type { TrafficControl } from '../traffic/traffic.ts';

export type GitHubConnector = ReturnType<typeof createGitHubConnector>;

type Account = Pick<Installation['account'], 'id' | 'login' | 'type'>;
type Host = { hostUrl: string; apiUrl: string };
type Hook = Pick<Awaited<ReturnType<GitHubAsApp['getHookConfig']>>, 'url' | 'contentType'>;

/** Who signed in, and how they were shown to own the account that was asked about, if they were. */
export type Identity = { userId: number; login: string; owns: 'account' | 'membership' | null };

/** What a person waits for. */
const interactiveMs = 5_000;
/** Far more requests than an App has; a list without an end is not read to its end. */
const mostPages = 20;
/** A shared App may be installed by thousands. */
const mostPagesOfInstallations = 100;

/**
 * What is asked of GitHub while an account is connected. A person's token lives within one call here: it is made, used
 * and revoked, and nobody else ever holds it.
 */
export function createGitHubConnector({
  database,
  keyring,
  fetch,
  traffic,
  onTrouble = () => {},
}: {
  database: Database;
  keyring: Keyring;
  fetch: Fetch;
  /** Without it nothing is held back. */
  traffic?: TrafficControl | undefined;
  /** Told by code of what does not stop anything: a person's token that could not be revoked. */
  onTrouble?: (code: string) => void;
}) {
  /** `within` ends all of its requests, beside the limit that each of them has. */
  const githubOf = ({ hostUrl, apiUrl }: Host, { within }: { within?: AbortSignal } = {}) => {
    const host = githubHost(hostUrl, apiUrl);
    const limited = within ? fetchWithin(fetch, within) : fetch;
    // Whoever connects an account is waiting.
    return createGitHub({ host, fetch: limited, traffic: traffic?.of(host), urgent: true });
  };

  const lanes = createLanes();

  /** For a person who waits, also for their turn: the host may be one that they brought, and answer slowly. */
  async function interactively<Result>(orgId: string, host: Host, work: (github: GitHub) => Promise<Result>) {
    const within = AbortSignal.timeout(interactiveMs);
    return lanes(orgId, async () => {
      if (!within.aborted) return work(githubOf(host, { within }));
      throw new ProviderError({ provider: 'github', code: 'timeout', message: 'Too much else was read meanwhile' });
    });
  }

  async function appOf(githubAppId: string): Promise<GithubApp> {
    const app = await githubAppsIn(database.reader).find(githubAppId);
    if (!app) throw new ProviderError({ provider: 'github', code: 'gone', message: 'There is no such GitHub App' });
    return app;
  }

  async function asApp(githubAppId: string) {
    const app = await appOf(githubAppId);
    const privateKey = await githubAppSecrets(database.reader, keyring).privateKey(githubAppId);
    if (privateKey) return githubOf(app).asApp({ appId: app.appId, privateKey });
    const message = `The GitHub App ${app.slug} has no private key here`;
    throw new ProviderError({ provider: 'github', code: 'app_credentials_rejected', message });
  }

  return {
    ...createCredentialChecks({ database, keyring, githubOf }),

    /** Which Enterprise Server this is, if it is one and says so. */
    serverVersion({ orgId, ...host }: Host & { orgId: string }): Promise<string | undefined> {
      return interactively(orgId, host, (github) => github.serverVersion());
    },

    /** The App of a manifest's code, with its secrets, once. Whoever calls this seals them at once. */
    convertManifest({ code, ...host }: Host & { code: string }): Promise<ConvertedApp> {
      return githubOf(host).convertManifest(code);
    },

    /** Who signed in with this code, and whether they own `account`: as their own, or as an active admin of it. */
    async identify(wanted: {
      githubAppId: string;
      code: string;
      redirectUri?: string | undefined;
      codeVerifier?: string | undefined;
      account?: Account | undefined;
    }): Promise<Identity> {
      const { githubAppId, account, ...exchange } = wanted;
      const app = await appOf(githubAppId);
      const clientSecret = await githubAppSecrets(database.reader, keyring).clientSecret(githubAppId);
      if (!app.clientId || !clientSecret) {
        const message = `The GitHub App ${app.slug} has no client id and secret here`;
        throw new ProviderError({ provider: 'github', code: 'client_credentials_rejected', message });
      }
      const github = githubOf(app);
      const credentials = { clientId: app.clientId, clientSecret };
      const { token } = await github.exchangeCode({ ...credentials, ...exchange });
      try {
        const user = github.asUser(token);
        const { id: userId, login } = await user.getUser();
        const owns = account ? await ownership(user, userId, account) : null;
        return { userId, login, owns };
      } finally {
        await github.revokeUserToken({ ...credentials, token }).catch((error: unknown) => {
          onTrouble(error instanceof ProviderError ? error.code : 'unknown');
        });
      }
    },

    /** As the App sees it, which proves nothing of who asks; undefined once it is gone. */
    async installation(githubAppId: string, externalId: number): Promise<Installation | undefined> {
      return (await asApp(githubAppId)).getInstallation(externalId);
    },

    async installationRequests(githubAppId: string, signal: AbortSignal): Promise<InstallationRequest[]> {
      const app = await asApp(githubAppId);
      const all: InstallationRequest[] = [];
      for (let page: number | undefined = 1; page !== undefined && page <= mostPages; ) {
        signal.throwIfAborted();
        const { requests, next }: Awaited<ReturnType<typeof app.listInstallationRequests>> =
          await app.listInstallationRequests(page);
        all.push(...requests);
        page = next;
      }
      return all;
    },

    /** The App's installation on this account, by GitHub's number; the search ends with `signal`. */
    async findInstallation(
      githubAppId: string,
      accountId: number,
      signal: AbortSignal,
    ): Promise<Installation | undefined> {
      const app = await asApp(githubAppId);
      for (let page: number | undefined = 1; page !== undefined && page <= mostPagesOfInstallations; ) {
        signal.throwIfAborted();
        const { installations, next }: Awaited<ReturnType<typeof app.listInstallations>> =
          await app.listInstallations(page);
        const found = installations.find(({ account }) => account.id === accountId);
        if (found) return found;
        page = next;
      }
      return undefined;
    },

    /**
     * An App that is not connected yet, by the number and key that somebody has brought. Nothing is kept. Whether the
     * key fits is not known yet: it is the organization's doing, and not the App's, which may be anybody's.
     */
    async checkImport({ orgId, ...brought }: Host & { appId: number; privateKey: string; orgId: string }) {
      const { appId, privateKey, ...host } = brought;
      return interactively(orgId, host, async (github) => {
        const app = github.asApp({ appId, privateKey, account: `import:${orgId}` });
        // One after the other: who is refused leaves nothing under way.
        const found = await app.getApp();
        return { ...found, hook: await orNone(app.getHookConfig()) };
      });
    },
  };
}

function fetchWithin(fetch: Fetch, limit: AbortSignal): Fetch {
  return (url, init = {}) =>
    fetch(url, { ...init, signal: init.signal ? AbortSignal.any([init.signal, limit]) : limit });
}

const noHook = { url: undefined, contentType: undefined, insecureSsl: '0' };

/** GitHub knows no address (404) where an App was made without a webhook. Whether there is such an App, /app tells. */
async function orNone(hook: Promise<Hook>): Promise<Hook> {
  try {
    return await hook;
  } catch (error) {
    if (error instanceof ProviderError && error.status === 404) return { ...noHook };
    throw error;
  }
}

/** An organization that was renamed may have left its name to another: its number decides. */
async function ownership(
  user: ReturnType<ReturnType<typeof createGitHub>['asUser']>,
  userId: number,
  account: Account,
): Promise<Identity['owns']> {
  if (account.type === 'User') return account.id === userId ? 'account' : null;
  // An enterprise is counted apart: its number may be anybody's.
  if (account.type !== 'Organization') return null;
  try {
    const membership = await user.getMembership(account.login);
    const isAdmin = membership?.role === 'admin' && membership.state === 'active';
    return isAdmin && membership.organizationId === account.id ? 'membership' : null;
  } catch (error) {
    // Members that the App may not read, or an organization behind its own sign-in: not shown this way.
    if (error instanceof ProviderError && (error.code === 'permission_missing' || error.code === 'policy')) return null;
    throw error;
  }
}
