import { type Issuer, isStillIssuer, isStillRunning } from '../../db/exchange/issuers.ts';
import { mintedTokensIn } from '../../db/exchange/minted-tokens.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import type { Database, Db, Transaction } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { createExpiringCache } from '../cache.ts';

/** What an exchange requests from any provider. */
export type Wanted = {
  /** The integration that mints the credential, as it was read with the request. */
  issuer: Issuer;
  orgId: string;
  buildId: string | null;
  /** The shortest remaining lifetime that the caller accepts. */
  minTtlMs?: number | undefined;
};

/** A credential that a provider has minted; `expiresAt` is by our clock. */
export type Minted = { token: string; expiresAt: number };

/** A minted credential that is remembered under `id`. */
export type Remembered<Of extends Minted> = Of & { id: string };

/** The integration was cut off while a credential was minted for it. */
export class CutOff extends Error {
  override name = 'CutOff';
}

/** The provider mints no credential with a lifetime that long. */
export class TooShortLived extends Error {
  override name = 'TooShortLived';
}

/** Whether a lease on the credential may still be issued; see `claim`. */
export type Claim = 'good' | 'cut_off' | 'over' | 'gone';

/** No lease is issued on the last minutes of a token. */
export const marginMs = 5 * 60_000;

type Provider<Of extends Wanted, To extends Minted> = {
  database: Database;
  keyring: Keyring;
  /** Calls the provider once; its error reaches every caller that waits for this credential. */
  mint(wanted: Of): Promise<To>;
  /** Tells this credential apart from others of the same project, integration and epoch. */
  keyOf(wanted: Of): unknown;
  /** The installation through which it can be revoked; null if no provider can revoke it. */
  installationOf(wanted: Of): string | null;
  /** The detail of the audit log entry. */
  describe(wanted: Of): Record<string, string | number>;
  /** Whether the access that minted it is still good, in the transaction that issues the lease. */
  isCurrent?(trx: Db, wanted: Of): Promise<boolean>;
  /** Revokes a remembered credential. */
  revoke(mintedTokenId: string): Promise<void>;
  /** Revokes a credential that could not be remembered. */
  undo(wanted: Of, minted: To): Promise<void>;
};

/**
 * Mints credentials. Callers that ask for the same credential share it, within one project and one integration. One
 * caller mints it while the others wait, and it is minted again in the background before it expires. Each credential is
 * remembered before a lease is issued on it, so that any process can cut it off and revoke it.
 */
export function createMinter<Of extends Wanted, To extends Minted>(provider: Provider<Of, To>) {
  const { database, keyring } = provider;
  const cache = createExpiringCache<Remembered<To>>({ marginMs, renewAfter: 0.8 });

  const isGood = async (trx: Db, wanted: Of) =>
    (await isStillIssuer(trx, wanted.issuer)) && (await (provider.isCurrent?.(trx, wanted) ?? true));

  async function mintNew(wanted: Of): Promise<Remembered<To>> {
    const minted = await provider.mint(wanted).catch(async (error: unknown) => {
      // The settings of one access may have met the secret of another.
      throw (await isGood(database.reader, wanted)) ? error : new CutOff();
    });
    return { ...minted, id: await remember(wanted, minted) };
  }

  /** If the integration was cut off while the provider minted, the credential is revoked instead. */
  async function remember(wanted: Of, made: To): Promise<string> {
    const { issuer, orgId } = wanted;
    const installationId = provider.installationOf(wanted);
    const remembered = database.write(async (trx) => {
      const minted = mintedTokensIn(trx);
      const good = await isGood(trx, wanted);
      const { token, expiresAt } = made;
      const id = await minted.insert({ orgId, integrationId: issuer.id, installationId, token, expiresAt }, keyring);
      // The actor is the integration: the person who connected it may have left long ago.
      await appendAudit(trx, {
        orgId,
        projectId: issuer.projectId,
        actor: `integration:${issuer.id}`,
        action: 'token.minted',
        target: id,
        outcome: good ? 'succeeded' : 'refused',
        detail: provider.describe(wanted),
      });
      if (!good) await minted.retire([id]);
      return { id, good };
    });
    const { id, good } = await remembered.catch(async (error: unknown) => {
      // The database does not have the token, so this is the only chance to revoke it.
      await provider.undo(wanted, made).catch(() => {});
      throw error;
    });
    if (good) return id;
    // If this fails, the workflow that the transaction has requested revokes the token.
    await provider.revoke(id).catch(() => {});
    throw new CutOff();
  }

  /** Another process may have revoked the cached credential. */
  async function current(wanted: Of): Promise<Remembered<To>> {
    const key = keyOf(wanted);
    const of = { owner: wanted.orgId, leastMs: wanted.minTtlMs };
    const get = () => cache.get(key, () => mintNew(wanted), of);
    const minted = await get();
    if (await mintedTokensIn(database.reader).isGood(minted.id)) return minted;
    cache.drop(key, minted);
    return get();
  }

  function keyOf(wanted: Of): string {
    const { projectId, id, epoch } = wanted.issuer;
    return JSON.stringify([projectId, id, epoch, provider.keyOf(wanted)]);
  }

  return {
    /** Mints a credential, or returns the cached one. `claim` it in the transaction that issues the lease. */
    async mint(wanted: Of): Promise<Remembered<To>> {
      const minted = await current(wanted);
      if (wanted.minTtlMs !== undefined && minted.expiresAt - Date.now() < wanted.minTtlMs) throw new TooShortLived();
      return minted;
    },

    /**
     * Returns whether a lease on the credential can still be issued. The result holds until the transaction ends.
     * - `cut_off`: the integration can no longer be used.
     * - `over`: the build has ended.
     * - `gone`: the token was revoked.
     *
     * It takes locks in the same order as a deletion and a build's end.
     */
    async claim(trx: Transaction, wanted: Of, minted: Remembered<To>): Promise<Claim> {
      const isOurs = await isGood(trx, wanted);
      if (isOurs && wanted.buildId !== null && !(await isStillRunning(trx, wanted.buildId))) return 'over';
      if (isOurs && (await mintedTokensIn(trx).isGood(minted.id))) return 'good';
      cache.drop(keyOf(wanted), minted);
      return isOurs ? 'gone' : 'cut_off';
    },

    /** Revokes a credential on which no lease was issued, unless it has another lease. */
    async discard({ id }: { id: string }): Promise<void> {
      const retired = await database.write((trx) => mintedTokensIn(trx).retire([id]));
      if (retired.length > 0) await provider.revoke(id);
    },
  };
}
