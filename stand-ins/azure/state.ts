import type { KeyObject } from 'node:crypto';

export type FederatedCredential = {
  issuer: string;
  subject: string;
  audience: string;
  /** The issuer's, which Entra would read from its discovery document. */
  publicKey: KeyObject;
};

export type App = {
  secrets: { value: string; endsAt: number }[];
  federated: FederatedCredential[];
};

export type Tenant = {
  apps: Map<string, App>;
  /** Whether it has a service for `https://containerregistry.azure.net`. */
  knowsRegistries: boolean;
};

export type Action = 'pull' | 'push';

export type Registry = {
  tenantId: string;
  /** By client id: what AcrPull and AcrPush give, on every repository. */
  roles: Map<string, Action[]>;
  /** By client id and repository: what counts where `abac` is on, and the roles above do not. */
  repositoryRoles: Map<string, Map<string, Action[]>>;
  abac: boolean;
  /** Whether tokens for the Resource Manager are taken. */
  takesArmTokens: boolean;
  /** Whether our address is let in. */
  letsIn: boolean;
};

export type State = ReturnType<typeof createState>;

/** Whatever is in it may be changed while the stand-in runs. Times are in ms. */
export function createState() {
  return {
    tenants: new Map<string, Tenant>(),
    /** By host. */
    registries: new Map<string, Registry>(),
    /** Entra's tokens. */
    tokens: new Map<string, { tenantId: string; clientId: string; audience: string; expiresAt: number }>(),
    /** The tokens that the registries have issued. */
    made: new Set<string>(),
    /** Of the registries: seconds. */
    lives: { refresh: 3 * 3600, access: 4500 },
  };
}

/** A tenant with one app, for a start. */
export function insertApp(state: State, tenantId: string, clientId: string, app: Partial<App> = {}): App {
  const tenant = state.tenants.get(tenantId) ?? { apps: new Map(), knowsRegistries: true };
  const made = { secrets: [], federated: [], ...app };
  tenant.apps.set(clientId, made);
  state.tenants.set(tenantId, tenant);
  return made;
}

export function insertRegistry(
  state: State,
  host: string,
  registry: Partial<Registry> & { tenantId: string },
): Registry {
  const made = {
    roles: new Map(),
    repositoryRoles: new Map(),
    abac: false,
    takesArmTokens: true,
    letsIn: true,
    ...registry,
  };
  state.registries.set(host, made);
  return made;
}
