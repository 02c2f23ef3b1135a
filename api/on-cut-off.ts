import { CutOff, TooShortLived } from '../broker/issuance.ts';
import type { Db } from '../db/connection.ts';
import type { Issuer } from '../db/issuers.ts';
import { refuseCutOff } from './exchange-request.ts';
import { Problem } from './problems.ts';

/** What to answer where nothing could be given out. */
export function onCutOff(db: Db, issuer: Issuer, kinds: readonly string[]) {
  return async (error: unknown): Promise<never> => {
    if (error instanceof CutOff) return refuseCutOff(db, issuer, kinds);
    if (error instanceof TooShortLived) {
      throw new Problem('min_ttl_too_long', 'The provider gives none that lives so long.');
    }
    throw error;
  };
}
