import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { isId } from '../../domain/ids.ts';
import { webhookKeysKeptMs } from '../../domain/secrets/rotation-phase.ts';
import { BoundedMap } from '../http/bounded-map.ts';

/** The parts of an unsigned request that name its App. They only select the keys: the signature decides. */
export type HookSource = {
  /** The id from the path, `gha_…`. */
  githubAppId?: string | undefined;
  /** The header `X-GitHub-Hook-Installation-Target-ID`: the App's number at its host. */
  targetId?: string | undefined;
  /** The header `X-GitHub-Enterprise-Host`: tells hosts apart if they have Apps with the same number. */
  enterpriseHost?: string | undefined;
};

export type HookKeys = {
  /** Returns the one App that the source names, and the keys that can sign its webhooks now. */
  keysFor(source: HookSource): Promise<{ githubAppId: string; keys: readonly KeyObject[] } | undefined>;
};

type Entry = { app: GithubApp; keys: KeyObject[] };
type Cached = { entries: Promise<Entry[]>; until: number };

const missKeptMs = 1_000;
/** The bound on the cache, because an unsigned request can name any App. */
const maxCached = 10_000;

/**
 * Opens webhook secrets and caches them for seconds only. A rotation waits longer than that before it sends a new
 * secret to the provider. By then every process knows the secret.
 */
export function createHookKeys({ database, keyring }: { database: Database; keyring: Keyring }): HookKeys {
  const cache = new BoundedMap<Cached>(maxCached);
  /** Names without a GitHub App. They have a cache of their own, so that invented names do not evict real ones. */
  const misses = new BoundedMap<number>(maxCached);

  async function load(apps: (GithubApp | undefined)[]): Promise<Entry[]> {
    const secrets = githubAppSecrets(database.reader, keyring);
    const found = apps.filter((app) => app !== undefined);
    return Promise.all(
      found.map(async (app) => {
        const known = await secrets.webhookSecrets(app.id);
        // Skip an empty secret: anybody could sign with it.
        const keys = known.filter((secret) => secret.length > 0).map((secret) => createSecretKey(secret, 'utf8'));
        return { app, keys };
      }),
    );
  }

  /** Shares one look-up among concurrent requests, and does not cache a failure. */
  function cached(name: string, find: () => Promise<(GithubApp | undefined)[]>): Promise<Entry[]> {
    const now = Date.now();
    const kept = cache.get(name);
    if (kept && kept.until > now) return kept.entries;
    if ((misses.get(name) ?? 0) > now) return Promise.resolve([]);
    const fresh: Cached = { entries: find().then(load), until: now + webhookKeysKeptMs };
    cache.set(name, fresh);
    fresh.entries.then(
      (entries) => {
        if (entries.length > 0) return;
        misses.set(name, now + missKeptMs);
        if (cache.get(name) === fresh) cache.delete(name);
      },
      () => cache.delete(name),
    );
    return fresh.entries;
  }

  return {
    async keysFor({ githubAppId, targetId, enterpriseHost }) {
      const appId = targetId !== undefined && /^[1-9]\d{0,14}$/.test(targetId) ? Number(targetId) : undefined;
      if (targetId !== undefined && appId === undefined) return undefined;
      if (githubAppId !== undefined) {
        if (!isId('gha', githubAppId)) return undefined;
        const [entry] = await cached(githubAppId, async () => [await githubAppsIn(database.reader).find(githubAppId)]);
        if (!entry || (appId !== undefined && entry.app.appId !== appId)) return undefined;
        return { githubAppId, keys: entry.keys };
      }
      if (appId === undefined) return undefined;
      const entries = await cached(String(appId), () => githubAppsIn(database.reader).listByAppId(appId));
      const entry = entries.length > 1 ? oneOfHost(entries, enterpriseHost) : entries[0];
      return entry && { githubAppId: entry.app.id, keys: entry.keys };
    },
  };
}

/** Selects the entry of the host. Only GitHub Enterprise Server sends the name of its host. */
function oneOfHost(entries: Entry[], enterpriseHost: string | undefined): Entry | undefined {
  const there = entries.filter(({ app: { hostUrl, apiUrl } }) =>
    enterpriseHost === undefined
      ? githubHost(hostUrl, apiUrl).flavour !== 'ghes'
      : new URL(hostUrl).host === enterpriseHost.toLowerCase(),
  );
  // Prefer the operator's App. An organization's own App has its own webhook address, which names it.
  return there.find(({ app }) => app.orgId === null) ?? there[0];
}

/** A random key that takes as long as a real one and verifies nothing. */
const nobodysKey = createSecretKey(randomBytes(32));

/**
 * Verifies a body while it arrives, because one digest of 25 MB would delay all other requests. `isSignedWith` returns
 * whether one of the keys made this digest. Without a key it takes the same time and returns false.
 */
export function signatureCheck(keys: readonly KeyObject[]) {
  const checks = (keys.length > 0 ? keys : [nobodysKey]).map((key) => ({ key, hmac: createHmac('sha256', key) }));
  return {
    update(part: Buffer): void {
      for (const { hmac } of checks) hmac.update(part);
    },
    isSignedWith(digest: string): boolean {
      const given = Buffer.from(digest, 'hex');
      let verified = false;
      for (const { key, hmac } of checks) {
        if (timingSafeEqual(hmac.digest(), given) && key !== nobodysKey) verified = true;
      }
      return verified;
    },
  };
}
