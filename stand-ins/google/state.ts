import type { KeyObject } from 'node:crypto';

/** A provider of a workload identity pool, which trusts one issuer of tokens. */
export type PoolProvider = {
  issuer: string;
  /** The issuer's, which Google would read from its discovery document. */
  publicKey: KeyObject;
  disabled?: boolean;
  /** The attribute condition. */
  lets?: (claims: Record<string, unknown>) => boolean;
};

export type ServiceAccount = {
  keys: KeyObject[];
  disabled?: boolean;
  /** Whose tokens may become its own: `principal://…/<sub>` of a provider, or `principalSet://…/*` for all of it. */
  impersonators: string[];
  /** Seconds; more needs a policy of the organization's. */
  longest?: number;
};

export type OAuthClient = { secret: string; redirectUris: string[] };

export type State = ReturnType<typeof createState>;

/** Whatever is in it may be changed while the stand-in runs. Times are in ms. */
export function createState() {
  return {
    /** By resource name: `projects/…/providers/…`. */
    providers: new Map<string, PoolProvider>(),
    serviceAccounts: new Map<string, ServiceAccount>(),
    clients: new Map<string, OAuthClient>(),
    /** What a person has agreed to, by the code that their browser brings back. */
    codes: new Map<
      string,
      { clientId: string; redirectUri: string; challenge: string; email: string; scope: string; lasting: boolean }
    >(),
    consents: new Map<string, { clientId: string; email: string; scope: string }>(),
    tokens: new Map<string, { identity: string; scopes: string[]; expiresAt: number }>(),
    /** Permissions by repository (`project/location/name`) and identity. */
    grants: new Map<string, Map<string, string[]>>(),
    /** Where Artifact Registry is not switched on. */
    projectsWithoutApi: new Set<string>(),
  };
}
