import { createPrivateKey, type KeyObject } from 'node:crypto';
import { ProviderError } from '../../failure.ts';
import { hostNow, idIn, nextPage, orUndefined, pageIn, perPage, send, textIn, timeIn, type Wire } from '../client.ts';
import type { Call } from '../failures.ts';
import { appRequest } from './app-request.ts';
import { deliveryLogOf } from './delivery-log.ts';
import { type MintRequest, mintToken } from './mint.ts';

export type AppCredentials = {
  appId: number | string;
  /** PEM, PKCS#1 or PKCS#8. Line breaks can be written as `\n`, as in an environment variable. */
  privateKey: string;
  /**
   * The account whose rate limit the requests count against, instead of the App's. Used for a key that GitHub has not
   * accepted yet.
   */
  account?: string;
};

export type GitHubApp = {
  id: number;
  slug: string | undefined;
  name: string;
  clientId: string | undefined;
  ownerLogin: string | undefined;
  htmlUrl: string;
  permissions: Record<string, string>;
  events: string[];
};

export type Installation = {
  id: number;
  appId: number;
  account: { id: number; login: string; type: string };
  repositorySelection: 'all' | 'selected';
  permissions: Record<string, string>;
  events: string[];
  suspendedAt: number | undefined;
  createdAt: number | undefined;
  htmlUrl: string;
};

/** `unreadable` are the IDs of installations that GitHub describes incompletely, for example without an account. */
export type InstallationPage = { installations: Installation[]; unreadable: number[]; next: number | undefined };

/** The requests that an App sends as itself. Throws a `ProviderError` at once if the key is not an RSA private key. */
export function asApp(wire: Wire, credentials: AppCredentials) {
  const privateKey = toRsaKey(credentials.privateKey);
  const { appId, account } = credentials;
  const request = appRequest(wire, { appId, privateKey, account });
  const call = (method: string, as: Call['as'] = 'app'): Call => ({
    as,
    method,
    secrets: [],
    now: () => hostNow(wire),
  });

  return {
    /** Returns the App as GitHub sees it. Success proves that ID and key belong together. */
    getApp(): Promise<GitHubApp> {
      return send(
        call('GET'),
        () => request('GET /app'),
        (data) => {
          if (!data) throw new TypeError('no app');
          return {
            id: idIn(data),
            slug: data.slug,
            name: data.name,
            clientId: data.client_id,
            ownerLogin: 'login' in data.owner ? data.owner.login : data.owner.slug,
            htmlUrl: data.html_url,
            permissions: stringsOf(data.permissions),
            events: data.events,
          };
        },
      );
    },

    /**
     * Returns a page of 100. `next` is the number of the next page, if there is one. Pages shift as installations come
     * and go.
     */
    listInstallations(page = 1): Promise<InstallationPage> {
      return send(
        call('GET'),
        () => request('GET /app/installations', { per_page: perPage, page }),
        (data, answer) => ({ ...toInstallations(data), next: nextPage(answer, page) }),
      );
    },

    /** Returns undefined if it was uninstalled. A reinstallation has another ID. */
    getInstallation(installationId: number): Promise<Installation | undefined> {
      const sent = send(
        call('GET', 'installation'),
        () => request('GET /app/installations/{installation_id}', { installation_id: installationId }),
        toInstallation,
      );
      return orUndefined(sent);
    },

    /**
     * Uninstalls the App. Returns false if it was uninstalled before, which is as good. From API version 2026-03-10 on,
     * GitHub only promises to do it soon (202).
     */
    async deleteInstallation(installationId: number): Promise<boolean> {
      const sent = send(
        call('DELETE', 'installation'),
        () => request('DELETE /app/installations/{installation_id}', { installation_id: installationId }),
        () => true,
      );
      return (await orUndefined(sent)) === true;
    },

    /**
     * Returns the open requests in which members ask an owner to install the App. A refused request disappears without
     * a notice.
     */
    listInstallationRequests(page = 1): Promise<{ requests: InstallationRequest[]; next: number | undefined }> {
      return send(
        call('GET'),
        () => request('GET /app/installation-requests', { per_page: perPage, page }),
        (data, answer) => ({ requests: pageIn(data).map(toInstallationRequest), next: nextPage(answer, page) }),
      );
    },

    /** Returns where GitHub sends the App's webhooks. GitHub does not return their secret. */
    getHookConfig(): Promise<{ url: string | undefined; contentType: string | undefined; insecureSsl: string }> {
      return send(
        call('GET'),
        () => request('GET /app/hook/config'),
        ({ url, content_type: contentType, insecure_ssl: insecureSsl }) => ({
          url,
          contentType,
          insecureSsl: String(insecureSsl ?? '0'),
        }),
      );
    },

    /**
     * Makes GitHub sign the App's webhooks with another secret. It always sends the content type, because GitHub's
     * default is `form`, even if it was `json` before. Safe to repeat.
     */
    async setHookSecret({ url, insecureSsl, secret }: HookSecret): Promise<void> {
      await send(
        { ...call('PATCH'), secrets: [secret] },
        () =>
          request('PATCH /app/hook/config', {
            // Wrapped in `data`: with a parameter called `url`, Octokit would send all of this, and the JWT, to that
            // address.
            data: { ...(url !== undefined && { url }), content_type: 'json', insecure_ssl: insecureSsl, secret },
          }),
        () => undefined,
      );
    },

    /** Sets where GitHub sends the App's webhooks, as JSON. Their secret does not change. Safe to repeat. */
    async setHookAddress({ url, insecureSsl }: { url: string; insecureSsl: string }): Promise<void> {
      await send(
        call('PATCH'),
        () => request('PATCH /app/hook/config', { data: { url, content_type: 'json', insecure_ssl: insecureSsl } }),
        () => undefined,
      );
    },

    ...deliveryLogOf(request, call),

    mintToken: (wanted: MintRequest) => mintToken(wire, request, call('POST', 'installation'), wanted),
  };
}

export type HookSecret = { url: string | undefined; insecureSsl: string; secret: string };

export type InstallationRequest = {
  id: number;
  account: { id: number; login: string; type: string };
  requester: { id: number; login: string };
  createdAt: number;
};

type RawRequest = {
  id: number;
  account: { id: number | bigint; login?: string; slug?: string; type?: string };
  requester: { id: number | bigint; login: string };
  created_at: string;
};

function toInstallationRequest({ id, account, requester, created_at: createdAt }: RawRequest): InstallationRequest {
  return {
    id: idIn({ id }),
    account: { id: idIn(account), login: account.login ?? account.slug ?? '', type: account.type ?? 'Enterprise' },
    requester: { id: idIn(requester), login: requester.login },
    createdAt: timeIn(createdAt),
  };
}

function toRsaKey(privateKey: string): KeyObject {
  try {
    const key = createPrivateKey(privateKey.replaceAll('\\n', '\n'));
    if (key.asymmetricKeyType === 'rsa') return key;
  } catch {
    // The error below says it. OpenSSL's own message might quote the key.
  }
  throw new ProviderError({
    provider: 'github',
    code: 'app_credentials_rejected',
    message: "The App's private key is not an RSA key in PEM format",
  });
}

type RawInstallation = {
  id: number | bigint;
  app_id: number | bigint;
  account: { id?: number | bigint; login?: string; slug?: string; type?: string } | null;
  target_type: string;
  repository_selection: 'all' | 'selected';
  permissions: object;
  events: string[];
  suspended_at: string | null;
  created_at?: string;
  html_url: string;
};

/** An installation that cannot be read must not hide the others. */
function toInstallations(all: RawInstallation[]): Omit<InstallationPage, 'next'> {
  const installations: Installation[] = [];
  const unreadable: number[] = [];
  for (const raw of pageIn(all)) {
    try {
      installations.push(toInstallation(raw));
    } catch {
      unreadable.push(idIn(raw));
    }
  }
  return { installations, unreadable };
}

function toInstallation(raw: RawInstallation): Installation {
  const { account } = raw;
  return {
    id: idIn(raw),
    appId: idIn({ id: raw.app_id }),
    account: {
      id: idIn({ id: account?.id }),
      // An enterprise has a slug instead of a login.
      login: textIn(account?.login ?? account?.slug ?? ''),
      type: textIn(account?.type ?? raw.target_type),
    },
    repositorySelection: textIn(raw.repository_selection) as RawInstallation['repository_selection'],
    permissions: stringsOf(raw.permissions),
    events: namesIn(raw.events),
    suspendedAt: raw.suspended_at == null ? undefined : timeIn(raw.suspended_at),
    createdAt: raw.created_at == null ? undefined : timeIn(raw.created_at),
    htmlUrl: raw.html_url,
  };
}

/** GitHub has about 70 events and as many permissions. */
const mostNames = 1_000;

function namesIn(value: string[]): string[] {
  if (value.length > mostNames) throw new TypeError('too many');
  return value.map(textIn);
}

function stringsOf(value: object): Record<string, string> {
  const levels = Object.entries(value).filter(([, level]) => typeof level === 'string');
  if (levels.length > mostNames) throw new TypeError('too many');
  return Object.fromEntries(levels.map(([name, level]) => [textIn(name), textIn(level)]));
}
