import { createHash } from 'node:crypto';
import { ProviderError } from '../../failure.ts';
import { objectIn, type WatchedFetch, watchFetch } from '../watched-fetch.ts';
import type { GcpDeps } from './gcp.ts';
import { googleFailure } from './gcp-failures.ts';

/** The operator's OAuth client, of the type "Web application". */
export type GoogleClient = { clientId: string; clientSecret: string; redirectUri: string };

export type Consent = { refreshToken: string; email: string };
/** The result of a consent that is incomplete. */
type HalfConsent = { refreshToken: string; email: string | undefined };

const oauthOrigin = 'https://oauth2.googleapis.com';
const consentPage = 'https://accounts.google.com/o/oauth2/v2/auth';
const cloudPlatform = 'https://www.googleapis.com/auth/cloud-platform';

/** A person's consent at Google. Each method except the one for the URL throws a `ProviderError`. */
export function createGoogleConsent(client: GoogleClient, { fetch, timeoutMs, now, endpoints }: GcpDeps) {
  const origins = new Map([[oauthOrigin, endpoints?.oauth ?? oauthOrigin]]);
  const watch = () => watchFetch({ fetch, timeoutMs, origins });

  return {
    /**
     * `pkce` is the verifier; only its hash is sent. Asks for consent each time, because only then Google returns a
     * refresh token.
     */
    consentUrl({ state, pkce }: { state: string; pkce: string }): string {
      const url = new URL(consentPage);
      url.search = new URLSearchParams({
        client_id: client.clientId,
        redirect_uri: client.redirectUri,
        response_type: 'code',
        scope: `openid email ${cloudPlatform}`,
        access_type: 'offline',
        prompt: 'consent select_account',
        state,
        code_challenge: createHash('sha256').update(pkce).digest('base64url'),
        code_challenge_method: 'S256',
      }).toString();
      return url.href;
    },

    /**
     * A code works once, so after a failure the person has to start again. An incomplete consent goes to `discard`:
     * revoking it here would revoke everything else that the person has granted to this client.
     */
    async redeemCode(
      { code, pkce }: { code: string; pkce: string },
      discard: (half: HalfConsent) => Promise<void>,
    ): Promise<Consent> {
      const watched = watch();
      const answered = await post(watched, '/token', {
        grant_type: 'authorization_code',
        code,
        code_verifier: pkce,
        client_id: client.clientId,
        client_secret: client.clientSecret,
        redirect_uri: client.redirectUri,
      });
      if (!answered) throw googleFailure(watched.last(), 'redeem', now());

      const { refresh_token: refreshToken, id_token: idToken, scope } = watched.last()?.body ?? {};
      if (typeof refreshToken !== 'string') throw incomplete(unticked);
      const email = emailIn(idToken);
      // A person may deselect a requested scope.
      const isTicked = String(scope).split(' ').includes(cloudPlatform);
      if (isTicked && email !== undefined) return { refreshToken, email };
      await discard({ refreshToken, email });
      throw incomplete(isTicked ? 'Google does not say whose consent this is' : unticked);
    },

    /** Revokes the consent and all tokens of it. A consent that no longer exists counts as revoked. */
    async revoke(refreshToken: string): Promise<void> {
      const watched = watch();
      if (await post(watched, '/revoke', { token: refreshToken })) return;
      const seen = watched.last();
      if (seen?.status === 400 && seen.body['error'] === 'invalid_token') return;
      throw googleFailure(seen, 'refresh', now());
    },
  };

  async function post(watched: WatchedFetch, path: string, form: Record<string, string>): Promise<boolean> {
    try {
      const answer = await watched.fetch(`${oauthOrigin}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
        body: new URLSearchParams(form).toString(),
      });
      return answer.status === 200;
    } catch {
      return false;
    }
  }
}

const unticked = 'The person did not let Google Cloud be used, or Google gave no lasting access';

/** Comes from Google itself over TLS, so its signature needs no check. */
function emailIn(idToken: unknown): string | undefined {
  const [, payload = ''] = String(idToken).split('.');
  const { email, email_verified: verified } = objectIn(Buffer.from(payload, 'base64url').toString());
  return typeof email === 'string' && verified === true ? email : undefined;
}

function incomplete(message: string): ProviderError {
  return new ProviderError({ provider: 'gcp', code: 'consent_incomplete', message });
}
