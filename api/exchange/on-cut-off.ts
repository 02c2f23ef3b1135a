import { CutOff, TooShortLived } from '../../broker/exchange/issuance.ts';
import { type Issuer, isStillIssuer } from '../../db/exchange/issuers.ts';
import type { Db } from '../../db/store/connection.ts';
import { Problem } from '../http/problems.ts';
import { refuseCutOff } from './exchange-request.ts';

/** What to answer where nothing could be given out: of one that was cut off, that, and not what its provider made of it. */
export function onCutOff(db: Db, issuer: Issuer, kinds: readonly string[]) {
  return async (error: unknown): Promise<never> => {
    if (error instanceof CutOff) return refuseCutOff(db, issuer, kinds);
    if (error instanceof TooShortLived) {
      throw new Problem('min_ttl_too_long', 'The provider gives none that lives so long.');
    }
    if (error instanceof Problem && !(await isStillIssuer(db, issuer))) return refuseCutOff(db, issuer, kinds);
    throw error;
  };
}
