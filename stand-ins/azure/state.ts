import type { KeyObject } from 'node:crypto';

export type FederatedCredential = {
  issuer: string;
  subject: string;
  audience: string;
  /** The issuer's keys, which Entra would read from its discovery document. */
  publicKey: KeyObject;
};

export type App = {
  secrets: { value: string; endsAt: number }[];
  federated: FederatedCredential[];
};

export type Tenant = {
  apps: Map<string, App>;
  /** Whether the tenant has a service for `https://containerregistry.azure.net`. */
  knowsRegistries: boolean;
};

export type Action = 'pull' | 'push';

export type Registry = {
  tenantId: string;
  /** The roles AcrPull and AcrPush on every repository, by client ID. */
  roles: Map<string, Action[]>;
  /** The permissions by client ID and repository. They count if `abac` is on, and the roles above do not. */
  repositoryRoles: Map<string, Map<string, Action[]>>;
  abac: boolean;
  /** Whether the registry accepts tokens for the Resource Manager. */
  takesArmTokens: boolean;
  /** Whether the registry's network rules accept our address. */
  letsIn: boolean;
};

export type State = ReturnType<typeof createState>;

/** Tests can change everything in it while the stand-in runs. Times are in ms. */
export function createState() {
  return {
    tenants: new Map<string, Tenant>(),
    /** The registries by host. */
    registries: new Map<string, Registry>(),
    /** The tokens of Entra. */
    tokens: new Map<string, { tenantId: string; clientId: string; audience: string; expiresAt: number }>(),
    /** The tokens that the registries have issued. */
    made: new Set<string>(),
    /** The lifetime of registry tokens, in seconds. */
    lives: { refresh: 3 * 3600, access: 4500 },
  };
}

/** Returns a tenant with one app. */
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
