import type { KeyObject } from 'node:crypto';

/** A provider of a workload identity pool, which trusts one issuer of tokens. */
export type PoolProvider = {
  issuer: string;
  /** The issuer's keys, which Google would read from its discovery document. */
  publicKey: KeyObject;
  disabled?: boolean;
  /** The attribute condition. */
  lets?: (claims: Record<string, unknown>) => boolean;
};

export type ServiceAccount = {
  keys: KeyObject[];
  disabled?: boolean;
  /**
   * The principals that may impersonate it: `principal://…/<sub>` of a provider, or `principalSet://…/*` for all of it.
   */
  impersonators: string[];
  /** The lifetime in seconds. A longer one needs a policy of the organization. */
  longest?: number;
};

export type OAuthClient = { secret: string; redirectUris: string[] };

export type State = ReturnType<typeof createState>;

/** Tests can change everything in it while the stand-in runs. Times are in ms. */
export function createState() {
  return {
    /** The providers by resource name: `projects/…/providers/…`. */
    providers: new Map<string, PoolProvider>(),
    serviceAccounts: new Map<string, ServiceAccount>(),
    clients: new Map<string, OAuthClient>(),
    /** The consents by the code that the browser brings back. */
    codes: new Map<
      string,
      { clientId: string; redirectUri: string; challenge: string; email: string; scope: string; lasting: boolean }
    >(),
    consents: new Map<string, { clientId: string; email: string; scope: string }>(),
    tokens: new Map<string, { identity: string; scopes: string[]; expiresAt: number }>(),
    /** Permissions by repository (`project/location/name`) and identity. */
    grants: new Map<string, Map<string, string[]>>(),
    /** The projects without Artifact Registry. */
    projectsWithoutApi: new Set<string>(),
  };
}
