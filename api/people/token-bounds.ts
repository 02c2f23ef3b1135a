import { countLiveTokens, type TokensOf, takeLiveToken } from '../../db/people/tokens.ts';
import type { Db } from '../../db/store/connection.ts';
import type { Caller } from '../http/caller.ts';
import { Problem } from '../http/problems.ts';

/**
 * The most valid tokens. Each token has a rate limit of its own, so their number is bounded. Tokens of builds count
 * separately.
 */
const most = { build: 100, organization: 1_000 };

/** Returns the expiry of a token that this caller creates. A token cannot outlive the token that created it. */
export async function endOfNewToken(trx: Db, caller: Caller, wanted: number | null): Promise<number | null> {
  if (caller.tokenId === undefined) return wanted;
  const maker = await takeLiveToken(trx, caller.tokenId);
  if (!maker) throw new Problem('unauthenticated', 'Your token was just revoked. Use another one.');
  if (maker.expiresAt === null) return wanted;
  return Math.min(wanted ?? maker.expiresAt, maker.expiresAt);
}

/** Throws if there are too many valid tokens. Two concurrent requests can exceed the limit by one. */
export async function requireRoomForToken(trx: Db, of: TokensOf): Promise<void> {
  const whose = 'buildId' in of ? 'build' : 'organization';
  if ((await countLiveTokens(trx, of)) < most[whose]) return;
  throw new Problem(
    'too_many_requests',
    `${most[whose]} tokens of this ${whose} are valid. Revoke unused tokens, or wait until some expire.`,
  );
}
