import { createTokenRevoker, type RevocationDeps } from '../../broker/exchange/revocation.ts';
import { revocationKind as kind } from '../../db/exchange/leases.ts';
import { mintedTokensIn } from '../../db/exchange/minted-tokens.ts';
import { allOperations } from '../../db/ops/operations.ts';

/** The steps that revoke tokens. */
export function leaseActivities({ database, keyring, broker }: RevocationDeps) {
  const revoker = createTokenRevoker({ database, keyring, broker });
  async function finish(mintedTokenId: string, failure?: { code: string; detail: string }): Promise<void> {
    await database.write(async (trx) => {
      if (!(await mintedTokensIn(trx).isRetired(mintedTokenId))) return;
      const operations = allOperations(trx);
      await operations.takeUp({ kind, subjectId: mintedTokenId });
      await operations.finish({ kind, subjectId: mintedTokenId }, failure);
    });
  }

  return {
    /** Safe to repeat. */
    async revokeMintedToken({ mintedTokenId }: { mintedTokenId: string }): Promise<void> {
      await revoker.revoke(mintedTokenId);
      await finish(mintedTokenId);
    },

    /** The leases stay `unconfirmed`, because the provider has not confirmed the end of the token. */
    async giveUpRevocation(given: { mintedTokenId: string; failure: { code: string; detail: string } }): Promise<void> {
      await finish(given.mintedTokenId, given.failure);
    },
  };
}
