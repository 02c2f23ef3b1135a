import { createPrivateKey } from 'node:crypto';
import { federationAudience, serviceAccountEmail, workloadIdentityProvider } from '../../../domain/clouds/gcp-names.ts';
import { ProviderError } from '../../failure.ts';
import type { WatchedFetch } from '../watched-fetch.ts';
import { type GoogleStep, googleFailure } from './gcp-failures.ts';

export type GcpAccess =
  | {
      mode: 'workload_identity';
      /** `projects/…/locations/global/workloadIdentityPools/…/providers/…` */
      provider: string;
      /** The impersonated service account. Without one, the roles are those of the pool's own principals. */
      serviceAccount?: string | undefined;
      /** Returns a token of ours for that audience. Its errors are passed on. */
      subjectToken(audience: string): Promise<string>;
      /** A token for a subject that belongs to no account. No service account may be impersonated with it. */
      strangersToken(audience: string): Promise<string>;
    }
  | { mode: 'service_account_key'; clientEmail: string; privateKey: string }
  /** A person's consent for the operator's OAuth client. */
  | { mode: 'oauth'; clientId: string; clientSecret: string; refreshToken: string };

export type GoogleToken = { token: string; expiresAt: number };

/** Replaces the default origins in tests. */
export const googleOrigins = {
  sts: 'https://sts.googleapis.com',
  iamCredentials: 'https://iamcredentials.googleapis.com',
  oauth: 'https://oauth2.googleapis.com',
  artifactRegistry: 'https://artifactregistry.googleapis.com',
};

export type TokenWanted = {
  scopes: string[];
  /** The lifetime of a token for an impersonated service account. Google decides the lifetime of all other tokens. */
  lifetimeSeconds: number;
};

/** Returns a token of the account. Throws a `ProviderError`. */
export async function googleToken(
  access: GcpAccess,
  wanted: TokenWanted,
  watched: WatchedFetch,
  now: () => number,
): Promise<GoogleToken> {
  // Created outside the `try`, because our own failures are not Google's fault.
  const subjectToken = access.mode === 'workload_identity' ? await subjectTokenOf(access) : '';
  try {
    const { token, expiresAt } = await issue(access, subjectToken, wanted, watched);
    // If Google returns no expiry, the library reports the current time.
    const isUsable = typeof token === 'string' && token !== '' && (expiresAt ?? 0) > now();
    if (isUsable && typeof expiresAt === 'number') return { token, expiresAt };
  } catch (error) {
    if (error instanceof ProviderError) throw error;
  }
  throw googleFailure(watched.last(), stepOf(access, watched), now());
}

/** The caller does the retries. The library's own would multiply them. */
function transport(watched: WatchedFetch) {
  return {
    eagerRefreshThresholdMillis: 0,
    transporterOptions: {
      fetchImplementation: watched.fetch as typeof globalThis.fetch,
      retryConfig: { retry: 0, noResponseRetries: 0 },
    },
  };
}

type Issued = { token: string | null | undefined; expiresAt: number | null | undefined };

async function issue(
  access: GcpAccess,
  subjectToken: string,
  { scopes, lifetimeSeconds }: TokenWanted,
  watched: WatchedFetch,
): Promise<Issued> {
  // Loaded on first use. Most instances use some clouds only, and each start would pay for all of them.
  const { ExternalAccountClient, JWT, OAuth2Client } = await import('google-auth-library');
  switch (access.mode) {
    case 'workload_identity': {
      const options = federation(access, subjectToken, { scopes, lifetimeSeconds }, watched);
      const client = ExternalAccountClient.fromJSON(options);
      if (!client) throw new TypeError('No client for an external account');
      // The library passes its transport to the impersonation only. The exchange before it has its own.
      client['stsCredential']['transporter'] = client.transporter;
      const { token } = await client.getAccessToken();
      return { token, expiresAt: client.credentials.expiry_date };
    }
    case 'service_account_key': {
      requireKey(access.privateKey);
      const { clientEmail: email, privateKey: key } = access;
      const client = new JWT({ email, key, scopes, ...transport(watched) });
      const { access_token: token, expiry_date: expiresAt } = await client.authorize();
      return { token, expiresAt };
    }
    case 'oauth': {
      const { clientId, clientSecret, refreshToken } = access;
      const client = new OAuth2Client({ clientId, clientSecret, ...transport(watched) });
      client.setCredentials({ refresh_token: refreshToken });
      const { token } = await client.getAccessToken();
      return { token, expiresAt: client.credentials.expiry_date };
    }
  }
}

type Federation = Extract<GcpAccess, { mode: 'workload_identity' }>;

/**
 * Built from its parts and never from a tenant's file, which could name addresses, files and programs of this machine.
 */
function federation(access: Federation, subjectToken: string, wanted: TokenWanted, watched: WatchedFetch) {
  const { provider, serviceAccount } = access;
  return {
    type: 'external_account',
    audience: `//iam.googleapis.com/${provider}`,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${googleOrigins.sts}/v1/token`,
    subject_token_supplier: { getSubjectToken: async () => subjectToken },
    scopes: wanted.scopes,
    ...(serviceAccount !== undefined && {
      service_account_impersonation_url: `${googleOrigins.iamCredentials}/v1/projects/-/serviceAccounts/${serviceAccount}:generateAccessToken`,
      service_account_impersonation: { token_lifetime_seconds: wanted.lifetimeSeconds },
    }),
    ...transport(watched),
  };
}

async function subjectTokenOf({ provider, serviceAccount, subjectToken }: Federation): Promise<string> {
  const ours = { provider: 'gcp', code: 'validation' as const };
  if (!workloadIdentityProvider.test(provider)) {
    throw new ProviderError({ ...ours, message: 'That is not the name of a workload identity provider' });
  }
  if (serviceAccount !== undefined && !serviceAccountEmail.test(serviceAccount)) {
    throw new ProviderError({ ...ours, message: 'That is not the address of a service account' });
  }
  return subjectToken(federationAudience(provider));
}

function requireKey(pem: string): void {
  try {
    if (createPrivateKey(pem).asymmetricKeyType === 'rsa') return;
  } catch {
    // The parser's error may quote the key.
  }
  throw new ProviderError({ provider: 'gcp', code: 'key_rejected', message: 'That is not a private RSA key in PEM' });
}

function stepOf(access: GcpAccess, watched: WatchedFetch): GoogleStep {
  if (access.mode === 'service_account_key') return 'key';
  if (access.mode === 'oauth') return 'refresh';
  return watched.last()?.origin === googleOrigins.iamCredentials ? 'impersonation' : 'federation';
}
