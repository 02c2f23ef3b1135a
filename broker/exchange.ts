import type { Database, Transaction } from '../db/connection.ts';
import { type GithubApp, githubAppsIn } from '../db/github-apps.ts';
import { type Installation, installationsIn } from '../db/installations.ts';
import { type Issuer, isStillIssuer, isStillRunning } from '../db/issuers.ts';
import { mintedTokensIn } from '../db/minted-tokens.ts';
import type { Keyring } from '../db/sealing.ts';
import { everything } from '../db/tenant.ts';
import type { InstallationToken, MintRequest } from '../providers/github/mint.ts';
import { ProviderError } from '../providers/http.ts';
import { createExpiringCache } from './cache.ts';
import type { GitHubBroker } from './github.ts';
import { refusedToken, refuseUnusable } from './reach.ts';
import { createTokenRevoker } from './revocation.ts';

export type Wanted = {
  /** The integration through which it is asked for, as it was read with the request. */
  issuer: Issuer;
  orgId: string;
  installationId: string;
  /** GitHub's numbers. */
  repositoryIds: number[];
  permissions: Record<string, string>;
  buildId: string | null;
  /** How long it must be good for at least. */
  minTtlMs?: number | undefined;
};

/** A token that may be given out until `expiresAt`; `id` is what we remember it by. */
export type Minted = { id: string; token: string; expiresAt: number; permissions: Record<string, string> };

/** The integration was cut off while a token was made for it: there is none. */
export class CutOff extends Error {
  override name = 'CutOff';
}

/** The provider makes none that lives so long. */
export class TooShortLived extends Error {
  override name = 'TooShortLived';
}

/** What of GitHub's broker is needed here. */
type TokenMaker = Pick<GitHubBroker, 'revokeToken'> & {
  asApp(githubAppId: string): Promise<{
    mintToken(wanted: MintRequest): Promise<Pick<InstallationToken, 'token' | 'expiresAt' | 'permissions'>>;
  }>;
};

/** What GitHub gives. */
const lifeMs = 3_600_000;
/** Nobody is given a token for its last minutes. */
const marginMs = 5 * 60_000;
/** The longest that may be asked for: an hour, less what a token loses on its way. */
export const longestTtlMs = 55 * 60_000;

/**
 * Gives tokens away, narrow and short-lived. Those who ask for the same share one, within one project and one
 * integration: it is made once at a time, and made anew in the background towards its end. Each that was made is
 * remembered, sealed, before anybody gets it, so that it can be revoked from any process.
 */
export function createExchange({
  database,
  keyring,
  broker,
}: {
  database: Database;
  keyring: Keyring;
  broker: TokenMaker;
}) {
  const tokens = createExpiringCache<Minted>({ marginMs, renewAfter: 0.8 });
  const revoker = createTokenRevoker({ database, keyring, broker });

  async function mint(wanted: Wanted): Promise<Minted> {
    const { installation, app } = await reach(wanted.installationId);
    const { repositoryIds, permissions } = wanted;
    const asApp = await broker.asApp(app.id);
    const askedAt = Date.now();
    const made = await asApp
      .mintToken({ installationId: installation.externalId, repositoryIds, permissions })
      .catch((error: unknown) => {
        throw refusedToken(error, installation, wanted);
      });
    // By our clock, which need not be GitHub's: nobody is told that it lives longer than it does.
    const expiresAt = Math.min(made.expiresAt, askedAt + lifeMs);
    return { ...(await remember(wanted, app, made.token, expiresAt)), permissions: made.permissions };
  }

  async function reach(installationId: string): Promise<{ installation: Installation; app: GithubApp }> {
    const installation = await installationsIn(database.reader, everything).find(installationId);
    const app = installation && (await githubAppsIn(database.reader).find(installation.githubAppId));
    if (!installation || !app) {
      throw new ProviderError({ provider: 'github', code: 'installation_gone', message: 'It is not installed' });
    }
    refuseUnusable(installation);
    return { installation, app };
  }

  /** One that came too late, for an integration that was cut off meanwhile, is revoked instead. */
  async function remember({ issuer, orgId, installationId }: Wanted, app: GithubApp, token: string, expiresAt: number) {
    const remembered = database.write(async (trx) => {
      const minted = mintedTokensIn(trx);
      const good = await isStillIssuer(trx, issuer);
      const id = await minted.insert({ orgId, integrationId: issuer.id, installationId, token, expiresAt }, keyring);
      if (!good) await minted.retire([id]);
      return { id, good };
    });
    const { id, good } = await remembered.catch(async (error: unknown) => {
      // Nothing here knows of it, so it can be revoked now or never.
      await broker.revokeToken(app.id, token).catch(() => {});
      throw error;
    });
    if (good) return { id, token, expiresAt };
    // At once where it can be; otherwise by the workflow that the transaction has asked for.
    await revoker.revoke(id).catch(() => {});
    throw new CutOff();
  }

  /** Another process may have revoked what is at hand here. */
  async function atHand(wanted: Wanted): Promise<Minted> {
    const key = keyOf(wanted);
    const get = () => tokens.get(key, () => mint(wanted), wanted.minTtlMs);
    const minted = await get();
    if (await mintedTokensIn(database.reader).isGood(minted.id)) return minted;
    tokens.drop(key, minted);
    return get();
  }

  function keyOf({ issuer, installationId, repositoryIds, permissions }: Wanted): string {
    const narrowedTo = [[...repositoryIds].sort((a, b) => a - b), Object.entries(permissions).sort()];
    return JSON.stringify([issuer.projectId, issuer.id, issuer.epoch, installationId, narrowedTo]);
  }

  return {
    /** A token, made or at hand. It is nobody's yet: `claim` it in the transaction that says who has it. */
    async get(wanted: Wanted): Promise<Minted> {
      const minted = await atHand(wanted);
      if (wanted.minTtlMs !== undefined && minted.expiresAt - Date.now() < wanted.minTtlMs) throw new TooShortLived();
      return minted;
    },

    /**
     * Whether the token may be given out still, which holds until the transaction ends: `cut_off` where the
     * integration may not be used any more, `over` where the build has ended, `gone` where the token itself was
     * revoked. Asked for in the order in which a deletion and a build's end lock them.
     */
    async claim(trx: Transaction, wanted: Wanted, minted: Minted): Promise<'good' | 'cut_off' | 'over' | 'gone'> {
      const { issuer, buildId } = wanted;
      const isOurs = await isStillIssuer(trx, issuer);
      if (isOurs && buildId !== null && !(await isStillRunning(trx, buildId))) return 'over';
      if (isOurs && (await mintedTokensIn(trx).isGood(minted.id))) return 'good';
      tokens.drop(keyOf(wanted), minted);
      return isOurs ? 'gone' : 'cut_off';
    },

    /** Of a token that was made for somebody who does not get it: revoked, unless others have it. */
    async discard({ id }: Minted): Promise<void> {
      const retired = await database.write((trx) => mintedTokensIn(trx).retire([id]));
      if (retired.length > 0) await revoker.revoke(id);
    },
  };
}

export type Exchange = ReturnType<typeof createExchange>;
