import { randomBytes } from 'node:crypto';
import { newKeyPair } from './credentials.ts';
import {
  type Account,
  type App,
  type Installation,
  type Permissions,
  type Repository,
  type State,
  shaOf,
} from './state.ts';

const defaultPermissions: Permissions = {
  actions: 'write',
  contents: 'read',
  deployments: 'write',
  metadata: 'read',
  pull_requests: 'read',
  statuses: 'write',
};

const defaultEvents = ['push', 'pull_request', 'workflow_run', 'repository'];

export type NewApp = {
  appId?: number;
  slug?: string;
  name?: string;
  hookUrl?: string;
  hookActive?: boolean;
  permissions?: Permissions;
  events?: string[];
  webhookSecret?: string;
  callbackUrls?: string[];
  owner?: Account;
  public?: boolean;
  setupUrl?: string;
  setupOnUpdate?: boolean;
  requestOauthOnInstall?: boolean;
};

/** The organization that owns what nobody else was named for. */
export const acme: Account = { login: 'acme', id: 9000, type: 'Organization' };

export function insertApp(state: State, input: NewApp): App {
  const appId = input.appId ?? state.nextId();
  const { privateKey, publicKey } = newKeyPair();
  const app: App = {
    appId,
    slug: input.slug ?? `fairlead-${appId}`,
    name: input.name ?? input.slug ?? `fairlead-${appId}`,
    clientId: `Iv23li${randomBytes(7).toString('hex')}`,
    clientSecret: randomBytes(20).toString('hex'),
    privateKey,
    publicKey,
    otherPublicKeys: [],
    deletedPublicKeys: [],
    otherClientSecrets: [],
    webhookSecret: input.webhookSecret ?? randomBytes(20).toString('hex'),
    hookUrl: input.hookUrl,
    hookActive: input.hookActive ?? true,
    hookId: state.nextId(),
    callbackUrls: input.callbackUrls ?? [],
    owner: input.owner ?? acme,
    public: input.public ?? true,
    setupUrl: input.setupUrl,
    setupOnUpdate: input.setupOnUpdate ?? false,
    requestOauthOnInstall: input.requestOauthOnInstall ?? false,
    contentType: 'json',
    permissions: { metadata: 'read', ...(input.permissions ?? defaultPermissions) },
    events: input.events ?? defaultEvents,
    createdAt: state.now(),
  };
  state.apps.set(appId, app);
  return app;
}

export type NewInstallation = {
  id?: number;
  account?: Account;
  repositorySelection?: 'all' | 'selected';
  permissions?: Permissions;
  repositories?: NewRepository[];
};

export function insertInstallation(state: State, app: App, input: NewInstallation): Installation {
  const id = input.id ?? state.nextId();
  const installation: Installation = {
    id,
    appId: app.appId,
    account: input.account ?? acme,
    repositorySelection: input.repositorySelection ?? 'selected',
    permissions: { metadata: 'read', ...(input.permissions ?? app.permissions) },
    events: app.events,
    repositoryIds: new Set(),
    suspendedAt: undefined,
    createdAt: state.now(),
  };
  state.installations.set(id, installation);
  state.accounts.set(installation.account.id, installation.account);
  for (const repository of input.repositories ?? []) insertRepository(state, installation, repository);
  return installation;
}

export type NewRepository = {
  id?: number;
  name?: string;
  private?: boolean;
  defaultBranch?: string;
  branches?: Record<string, string>;
  workflows?: Record<string, string>;
};

export function insertRepository(state: State, installation: Installation, input: NewRepository): Repository {
  const repository = insertOwnRepository(state, installation.account, input, installation.id);
  installation.repositoryIds.add(repository.id);
  return repository;
}

/** A repository that its account owns; every installation that reaches all of the account's reaches it too. */
export function insertOwnRepository(
  state: State,
  account: Account,
  input: NewRepository,
  installationId = 0,
): Repository {
  const id = input.id ?? state.nextId();
  const owner = account.login;
  const name = input.name ?? `shop-${id}`;
  const defaultBranch = input.defaultBranch ?? 'main';
  const branches = new Map(Object.entries(input.branches ?? {}));
  if (!branches.has(defaultBranch)) branches.set(defaultBranch, shaOf(`${owner}/${name}/${defaultBranch}`));
  const files = new Map(Object.entries({ 'README.md': `# ${name}\n`, ...input.workflows }));
  const repository: Repository = {
    id,
    installationId,
    owner,
    ownerAccount: account,
    name,
    fullName: `${owner}/${name}`,
    private: input.private ?? true,
    defaultBranch,
    branches,
    tags: new Map(),
    messages: new Map(),
    parents: new Map(),
    files,
    filesAt: new Map(),
    workflowIds: new Map(),
    disabledWorkflows: new Set(),
    createdAt: state.now(),
  };
  state.repositories.set(id, repository);
  // An old name leads nowhere else once it is taken.
  state.renamed.delete(repository.fullName.toLowerCase());
  state.accounts.set(account.id, account);
  if (installationId === 0) reachFromAll(state, repository);
  return repository;
}

function reachFromAll({ installations }: State, { id, ownerAccount }: Repository): void {
  for (const one of installations.values()) {
    if (one.repositorySelection === 'all' && one.account.id === ownerAccount.id) one.repositoryIds.add(id);
  }
}
