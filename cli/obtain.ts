import type { RegistryPurpose } from '../domain/registries/registry-purposes.ts';
import { type Api, apiOf, Refused } from './api.ts';
import { type Cache, type Credential, openCache } from './cache.ts';
import { CliFailure } from './failure.ts';
import { type Account, chooseAccount, complaintAbout } from './logins.ts';
import { readSettings, type Settings } from './settings.ts';
import type { World } from './world.ts';

/** `host` is the name that Fairlead uses. `repositories` limits the credential to these. */
export type Wish = { purpose: 'clone' | RegistryPurpose; host: string; repositories: string[] | undefined };

export type Desk = {
  account: Account;
  settings: Settings;
  /** Returns a credential from the cache or from Fairlead, or undefined if the project has no integration with the host. */
  obtain(wish: Wish): Promise<Credential | undefined>;
  /** Removes a credential from the cache. If a password is given, removes it only if it has that password. */
  forget(wish: Wish, password?: string): void;
};

/** Opens the source of credentials that both helpers use. */
export function openDesk(world: World): Desk {
  const settings = readSettings(world);
  const account = chooseAccount(settings);
  const complaint = account.from === 'login' ? complaintAbout(settings) : undefined;
  if (complaint) world.err(`fairlead: ${complaint}\n`);
  const cache = openCache({ folder: settings.cacheFolder, token: account.token });
  const api = apiOf(account, settings);
  return {
    account,
    settings,
    obtain: (wish) => obtain({ account, cache, api }, wish),
    forget: (wish, password) => cache.drop(keyOf(account, wish), password),
  };
}

type Means = { account: Account; cache: Cache; api: Api };

async function obtain({ account, cache, api }: Means, wish: Wish): Promise<Credential | undefined> {
  const key = keyOf(account, wish);
  const cached = cache.read(key);
  if (cached) return cached;
  const { project, app } = account;
  try {
    const answer = await api('POST', `/v1/projects/${project}/credentials/exchange`, {
      purpose: wish.purpose,
      host: wish.host,
      format: 'basic',
      ...(app && { app_id: app }),
      ...(wish.repositories && { repositories: wish.repositories }),
    });
    const credential = credentialIn(answer);
    cache.write(key, credential);
    return credential;
  } catch (error) {
    if (error instanceof Refused && error.code === 'no_integration') return undefined;
    throw error;
  }
}

function keyOf({ url, project, app }: Account, { purpose, host, repositories }: Wish): unknown[] {
  return [url, project, app ?? null, purpose, host, repositories ? [...repositories].sort() : null];
}

function credentialIn(answer: Record<string, unknown>): Credential {
  const { username, password, expires_at: expiresAt, effective_scope: scope } = answer;
  const { host, host_url: hostUrl } = (scope ?? {}) as Record<string, unknown>;
  const at = host ?? hostUrl;
  if (typeof username === 'string' && typeof password === 'string' && typeof at === 'string') {
    if (typeof expiresAt === 'number') return { at, username, password, expiresAt };
  }
  throw new CliFailure('Fairlead’s response is incomplete: does the version of this command match the instance?');
}
