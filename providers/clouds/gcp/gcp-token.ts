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
      /** Who is acted for; without one, the roles are the pool's own principals'. */
      serviceAccount?: string | undefined;
      /** A token of ours for that audience; what it throws is thrown on. */
      subjectToken(audience: string): Promise<string>;
      /** The same of a subject that is nobody's: no service account may be acted for with it. */
      strangersToken(audience: string): Promise<string>;
    }
  | { mode: 'service_account_key'; clientEmail: string; privateKey: string }
  /** A person's consent, given to the operator's OAuth client. */
  | { mode: 'oauth'; clientId: string; clientSecret: string; refreshToken: string };

export type GoogleToken = { token: string; expiresAt: number };

/** Default origins; a test may put others in their place. */
export const googleOrigins = {
  sts: 'https://sts.googleapis.com',
  iamCredentials: 'https://iamcredentials.googleapis.com',
  oauth: 'https://oauth2.googleapis.com',
  artifactRegistry: 'https://artifactregistry.googleapis.com',
};

export type TokenWanted = {
  scopes: string[];
  /** Of a token for a service account that is acted for; the other kinds last as long as Google sees fit. */
  lifetimeSeconds: number;
};

/** A token of the account. Throws a `ProviderError`. */
export async function googleToken(
  access: GcpAccess,
  wanted: TokenWanted,
  watched: WatchedFetch,
  now: () => number,
): Promise<GoogleToken> {
  // Asked for outside: what goes wrong in our own house is not Google's fault.
  const subjectToken = access.mode === 'workload_identity' ? await subjectTokenOf(access) : '';
  try {
    const { token, expiresAt } = await issue(access, subjectToken, wanted, watched);
    // Where Google tells no end, the library says that it is now.
    const isUsable = typeof token === 'string' && token !== '' && (expiresAt ?? 0) > now();
    if (isUsable && typeof expiresAt === 'number') return { token, expiresAt };
  } catch (error) {
    if (error instanceof ProviderError) throw error;
  }
  throw googleFailure(watched.last(), stepOf(access, watched), now());
}

/** Retries are the caller's: the library's own would multiply them. */
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
  // Loaded when it is first needed: most Fairleads have accounts of some clouds, and every start would pay for all.
  const { ExternalAccountClient, JWT, OAuth2Client } = await import('google-auth-library');
  switch (access.mode) {
    case 'workload_identity': {
      const options = federation(access, subjectToken, { scopes, lifetimeSeconds }, watched);
      const client = ExternalAccountClient.fromJSON(options);
      if (!client) throw new TypeError('No client for an external account');
      // The library gives its transport to the impersonation only; the exchange before it has one of its own.
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

/** From parts, never from a file of the user's: that could name addresses, files and programs of this machine. */
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
    // What the parser says may quote the key.
  }
  throw new ProviderError({ provider: 'gcp', code: 'key_rejected', message: 'That is not a private RSA key in PEM' });
}

function stepOf(access: GcpAccess, watched: WatchedFetch): GoogleStep {
  if (access.mode === 'service_account_key') return 'key';
  if (access.mode === 'oauth') return 'refresh';
  return watched.last()?.origin === googleOrigins.iamCredentials ? 'impersonation' : 'federation';
}
