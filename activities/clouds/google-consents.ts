import type { GoogleConsents } from '../../broker/clouds/google-consent.ts';
import { endingConsent, forgetConsent } from '../../db/clouds/google-consent-ends.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';

export type GoogleConsentDeps = {
  database: Database;
  keyring: Keyring;
  googleConsents: Pick<GoogleConsents, 'revoke'>;
};

type OfAccount = { cloudAccountId: string };

/** The steps that end the Google consent of a deleted cloud account. */
export function googleConsentActivities({ database, keyring, googleConsents }: GoogleConsentDeps) {
  return {
    /** Safe to repeat. A consent that has already ended counts as revoked. */
    async revokeConsent({ cloudAccountId }: OfAccount): Promise<void> {
      const refreshToken = await endingConsent(database.reader, keyring, cloudAccountId);
      if (refreshToken !== undefined) await googleConsents.revoke(refreshToken);
      await database.write((trx) => forgetConsent(trx, cloudAccountId, true));
    },

    giveUpConsent: ({ cloudAccountId }: OfAccount): Promise<void> =>
      database.write((trx) => forgetConsent(trx, cloudAccountId, false)),
  };
}
