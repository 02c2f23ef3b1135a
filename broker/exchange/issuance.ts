import { type Issuer, isStillIssuer, isStillRunning } from '../../db/exchange/issuers.ts';
import { mintedTokensIn } from '../../db/exchange/minted-tokens.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { createExpiringCache } from '../cache.ts';

/** What is asked for, whatever the provider. */
export type Request = {
  /** The integration through which it is asked for, as it was read with the request. */
  issuer: Issuer;
  orgId: string;
  buildId: string | null;
  /** How long it must be good for at least. */
  minTtlMs?: number | undefined;
};

/** What a provider has made, good until `expiresAt` by our clock. */
export type Made = { token: string; expiresAt: number };

/** One that may be given out; `id` is what we remember it by. */
export type Issued<Of extends Made> = Of & { id: string };

/** The integration was cut off while a token was made for it: there is none. */
export class CutOff extends Error {
  override name = 'CutOff';
}

/** The provider makes none that lives so long. */
export class TooShortLived extends Error {
  override name = 'TooShortLived';
}

/** Whether it may be given out still; see `claim`. */
export type Claim = 'good' | 'cut_off' | 'over' | 'gone';

/** Nobody is given a token for its last minutes. */
export const marginMs = 5 * 60_000;

type Provider<Wanted extends Request, Of extends Made> = {
  database: Database;
  keyring: Keyring;
  /** One call of the provider; what it throws reaches all who wait for it. */
  make(wanted: Wanted): Promise<Of>;
  /** What sets this token apart from others of the same project, integration and epoch. */
  keyOf(wanted: Wanted): unknown;
  /** Through which it can be revoked; null where no provider can. */
  installationOf(wanted: Wanted): string | null;
  /** What the row of the audit log says of it. */
  describe(wanted: Wanted): Record<string, string | number>;
  /** Whether what it was made with is still good, in the transaction that gives it out. */
  isCurrent?(trx: Transaction, wanted: Wanted): Promise<boolean>;
  /** Ends one that was remembered. */
  revoke(mintedTokenId: string): Promise<void>;
  /** Ends one that nothing here knows of. */
  undo(wanted: Wanted, made: Of): Promise<void>;
};

/**
 * Gives tokens away. Those who ask for the same share one, within one project and one integration: it is made once at
 * a time, and made anew in the background towards its end. Each that was made is remembered before anybody gets it, so
 * that it can be cut off, and revoked where that is possible, from any process.
 */
export function createIssuance<Wanted extends Request, Of extends Made>(provider: Provider<Wanted, Of>) {
  const { database, keyring } = provider;
  const tokens = createExpiringCache<Issued<Of>>({ marginMs, renewAfter: 0.8 });

  const isGood = async (trx: Transaction, wanted: Wanted) =>
    (await isStillIssuer(trx, wanted.issuer)) && (await (provider.isCurrent?.(trx, wanted) ?? true));

  async function make(wanted: Wanted): Promise<Issued<Of>> {
    const made = await provider.make(wanted);
    return { ...made, id: await remember(wanted, made) };
  }

  /** One that came too late, for an integration that was cut off meanwhile, is ended instead. */
  async function remember(wanted: Wanted, made: Of): Promise<string> {
    const { issuer, orgId } = wanted;
    const installationId = provider.installationOf(wanted);
    const remembered = database.write(async (trx) => {
      const minted = mintedTokensIn(trx);
      const good = await isGood(trx, wanted);
      const { token, expiresAt } = made;
      const id = await minted.insert({ orgId, integrationId: issuer.id, installationId, token, expiresAt }, keyring);
      // The integration acts as itself: whoever connected it may be gone long since.
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
      // Nothing here knows of it, so it can be revoked now or never.
      await provider.undo(wanted, made).catch(() => {});
      throw error;
    });
    if (good) return id;
    // At once where it can be; otherwise by the workflow that the transaction has asked for.
    await provider.revoke(id).catch(() => {});
    throw new CutOff();
  }

  /** Another process may have revoked what is at hand here. */
  async function atHand(wanted: Wanted): Promise<Issued<Of>> {
    const key = keyOf(wanted);
    const of = { owner: wanted.orgId, leastMs: wanted.minTtlMs };
    const get = () => tokens.get(key, () => make(wanted), of);
    const issued = await get();
    if (await mintedTokensIn(database.reader).isGood(issued.id)) return issued;
    tokens.drop(key, issued);
    return get();
  }

  function keyOf(wanted: Wanted): string {
    const { projectId, id, epoch } = wanted.issuer;
    return JSON.stringify([projectId, id, epoch, provider.keyOf(wanted)]);
  }

  return {
    /** A token, made or at hand. It is nobody's yet: `claim` it in the transaction that says who has it. */
    async get(wanted: Wanted): Promise<Issued<Of>> {
      const issued = await atHand(wanted);
      if (wanted.minTtlMs !== undefined && issued.expiresAt - Date.now() < wanted.minTtlMs) throw new TooShortLived();
      return issued;
    },

    /**
     * Whether the token may be given out still, which holds until the transaction ends: `cut_off` where the
     * integration may not be used any more, `over` where the build has ended, `gone` where the token itself was
     * revoked. Asked for in the order in which a deletion and a build's end lock them.
     */
    async claim(trx: Transaction, wanted: Wanted, issued: Issued<Of>): Promise<Claim> {
      const isOurs = await isGood(trx, wanted);
      if (isOurs && wanted.buildId !== null && !(await isStillRunning(trx, wanted.buildId))) return 'over';
      if (isOurs && (await mintedTokensIn(trx).isGood(issued.id))) return 'good';
      tokens.drop(keyOf(wanted), issued);
      return isOurs ? 'gone' : 'cut_off';
    },

    /** Of a token that was made for somebody who does not get it: revoked, unless others have it. */
    async discard({ id }: { id: string }): Promise<void> {
      const retired = await database.write((trx) => mintedTokensIn(trx).retire([id]));
      if (retired.length > 0) await provider.revoke(id);
    },
  };
}
