import { noteOutcome } from '../../db/exchange/leases.ts';
import { clockLeewayMs, mintedTokensIn } from '../../db/exchange/minted-tokens.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import type { GitHubBroker } from '../github/github.ts';

export type RevocationDeps = { database: Database; keyring: Keyring; broker: Pick<GitHubBroker, 'revokeToken'> };

/** Revokes minted tokens at their provider. */
export function createTokenRevoker({ database, keyring, broker }: RevocationDeps) {
  async function settle(mintedTokenId: string, outcome: 'revoked' | 'expires'): Promise<void> {
    await database.write(async (trx) => {
      await mintedTokensIn(trx).forget(mintedTokenId);
      await noteOutcome(trx, [mintedTokenId], outcome);
    });
  }

  return {
    /**
     * Safe to repeat: a token that the provider no longer knows is dead, so a lost response does not matter. Throws a
     * `ProviderError` while the provider has not confirmed the revocation.
     */
    async revoke(mintedTokenId: string): Promise<void> {
      const minted = await mintedTokensIn(database.reader).open(mintedTokenId, keyring);
      if (!minted) return;
      if (minted.expiresAt + clockLeewayMs < Date.now()) return settle(mintedTokenId, 'expires');
      await broker.revokeToken(minted.githubAppId, minted.token);
      await settle(mintedTokenId, 'revoked');
    },
  };
}
