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

/** The person who signed in, and how GitHub proved that they own the account, if it did. */
export type Identity = { userId: number; login: string; owns: 'account' | 'membership' | null };

/** The timeout of a call that a person waits for. */
const interactiveMs = 5_000;
/** Far more requests than a GitHub App has. Fairlead does not read an endless list to its end. */
const mostPages = 20;
/** Thousands of accounts may have installed a shared App. */
const mostPagesOfInstallations = 100;

/**
 * The calls to GitHub while an account is being connected. A person's token lives within one call here: it is created,
 * used and revoked, and never leaves the call.
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
  /** If absent, no request is held back. */
  traffic?: TrafficControl | undefined;
  /** Receives the code of a failure that stops nothing: a person's token could not be revoked. */
  onTrouble?: (code: string) => void;
}) {
  /** `within` ends all of its requests, in addition to the timeout of each request. */
  const githubOf = ({ hostUrl, apiUrl }: Host, { within }: { within?: AbortSignal } = {}) => {
    const host = githubHost(hostUrl, apiUrl);
    const limited = within ? fetchWithin(fetch, within) : fetch;
    // The person who connects the account is waiting.
    return createGitHub({
      host,
      fetch: limited,
      traffic: traffic?.of(host),
      webTraffic: traffic?.ofWeb(host),
      urgent: true,
    });
  };

  const lanes = createLanes();

  /** The total timeout for a waiting person, their place in the queue included. The host may be theirs, and slow. */
  async function interactively<Result>(orgId: string, host: Host, work: (github: GitHub) => Promise<Result>) {
    const within = AbortSignal.timeout(interactiveMs);
    return lanes(orgId, async () => {
      if (!within.aborted) return work(githubOf(host, { within }));
      throw new ProviderError({
        provider: 'github',
        code: 'timeout',
        message: 'Too many other reads were in progress',
      });
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

    /** Returns the version of an Enterprise Server, if the host is one and says so. */
    serverVersion({ orgId, ...host }: Host & { orgId: string }): Promise<string | undefined> {
      return interactively(orgId, host, (github) => github.serverVersion());
    },

    /**
     * Exchanges the code of a manifest for the App with its secrets. This works once, so the caller must seal them at
     * once.
     */
    convertManifest({ code, ...host }: Host & { code: string }): Promise<ConvertedApp> {
      return githubOf(host).convertManifest(code);
    },

    /**
     * Returns the person who signed in with this code, and whether they own `account`: it is their own, or they are an
     * active admin of it.
     */
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

    /**
     * Returns the installation as the App sees it, which proves nothing about the caller. Returns undefined if it no
     * longer exists.
     */
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

    /** Finds the App's installation on this account by GitHub's account number. The search ends with `signal`. */
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
     * Reads an App that is not connected yet, by an App ID and a private key that a person has entered. Stores nothing.
     * It proves whether the key fits, but not that the App belongs to the organization.
     */
    async checkImport({ orgId, ...brought }: Host & { appId: number; privateKey: string; orgId: string }) {
      const { appId, privateKey, ...host } = brought;
      return interactively(orgId, host, async (github) => {
        const app = github.asApp({ appId, privateKey, account: `import:${orgId}` });
        // One after the other, so that a rejected request leaves no other request in flight.
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

/** GitHub returns 404 for an App without a webhook. `/app` shows whether the App itself exists. */
async function orNone(hook: Promise<Hook>): Promise<Hook> {
  try {
    return await hook;
  } catch (error) {
    if (error instanceof ProviderError && error.status === 404) return { ...noHook };
    throw error;
  }
}

/** An organization that was renamed may have left its name to another, so the account's number decides. */
async function ownership(
  user: ReturnType<ReturnType<typeof createGitHub>['asUser']>,
  userId: number,
  account: Account,
): Promise<Identity['owns']> {
  if (account.type === 'User') return account.id === userId ? 'account' : null;
  // Enterprises have numbers of their own, which may equal the number of an unrelated account.
  if (account.type !== 'Organization') return null;
  try {
    const membership = await user.getMembership(account.login);
    const isAdmin = membership?.role === 'admin' && membership.state === 'active';
    return isAdmin && membership.organizationId === account.id ? 'membership' : null;
  } catch (error) {
    // The App may not read the members, or the organization requires its own sign-in: this proves no ownership.
    if (error instanceof ProviderError && (error.code === 'permission_missing' || error.code === 'policy')) return null;
    throw error;
  }
}
