import { createHash, randomBytes } from 'node:crypto';

export type Flavour = 'github.com' | 'ghe.com' | 'ghes';
export type Permissions = Record<string, string>;
export type Account = { login: string; id: number; type: 'User' | 'Organization' };

export type App = {
  appId: number;
  slug: string;
  name: string;
  clientId: string;
  clientSecret: string;
  /** Those that were made later, and are as good. */
  otherClientSecrets: string[];
  /** PKCS#1, as GitHub hands it out. */
  privateKey: string;
  publicKey: string;
  /** Of the private keys that were made later; GitHub never shows one of them again. */
  otherPublicKeys: string[];
  /** To say which one a request was signed with that is refused. */
  deletedPublicKeys: string[];
  webhookSecret: string;
  hookUrl: string | undefined;
  hookActive: boolean;
  hookId: number;
  /** Where a browser may be sent back to after "Authorize"; the first, where none is named. */
  callbackUrls: string[];
  owner: Account;
  /** Whether others than its owner may install it. */
  public: boolean;
  /** Where a browser goes after the installation; not where `requestOauthOnInstall` sends it to the first callback. */
  setupUrl: string | undefined;
  setupOnUpdate: boolean;
  requestOauthOnInstall: boolean;
  contentType: string;
  permissions: Permissions;
  events: string[];
  createdAt: number;
};

export type Installation = {
  id: number;
  appId: number;
  account: Account;
  repositorySelection: 'all' | 'selected';
  permissions: Permissions;
  events: string[];
  repositoryIds: Set<number>;
  suspendedAt: number | undefined;
  createdAt: number;
};

/** What a mere member may do instead of installing: an owner of the organization decides. */
export type InstallationRequest = {
  id: number;
  appId: number;
  account: Account;
  requester: Account;
  createdAt: number;
};

export type Repository = {
  id: number;
  /** The one it was seeded with; 0 where its account only owns it. Others may reach it too. */
  installationId: number;
  owner: string;
  ownerAccount: Account;
  name: string;
  fullName: string;
  private: boolean;
  archived?: boolean;
  defaultBranch: string;
  /** Heads: the branch's name, and its commit. */
  branches: Map<string, string>;
  tags: Map<string, string>;
  /** Of the commits that have a message of their own. */
  messages: Map<string, string>;
  /** Of the commits that were pushed: the one before. */
  parents: Map<string, string>;
  /** Path and text; one tree for all branches, except where `filesAt` has one of its own. */
  files: Map<string, string>;
  filesAt: Map<string, Map<string, string>>;
  workflowIds: Map<string, number>;
  /** Paths of the workflows that somebody switched off. */
  disabledWorkflows: Set<string>;
  createdAt: number;
};

export type Token = {
  token: string;
  appId: number;
  installationId: number;
  /** Undefined: every repository of the installation. */
  repositoryIds: number[] | undefined;
  permissions: Permissions;
  expiresAt: number;
  revoked: boolean;
};

export type Run = {
  id: number;
  repositoryId: number;
  /** The app whose token dispatched it. */
  appId: number;
  workflowPath: string;
  workflowId: number;
  workflowName: string;
  displayTitle: string;
  inputs: Record<string, unknown>;
  event: string;
  status: string;
  conclusion: string | null;
  headSha: string;
  headBranch: string;
  runNumber: number;
  attempt: number;
  createdAt: number;
  updatedAt: number;
};

export type Status = {
  id: number;
  repositoryId: number;
  sha: string;
  state: string;
  context: string;
  description: string | null;
  targetUrl: string | null;
  createdAt: number;
};

export type Deployment = {
  id: number;
  repositoryId: number;
  ref: string;
  sha: string;
  task: string;
  environment: string;
  description: string | null;
  payload: unknown;
  createdAt: number;
  statuses: DeploymentStatus[];
};

export type DeploymentStatus = {
  id: number;
  state: string;
  description: string;
  logUrl: string;
  environmentUrl: string;
  createdAt: number;
};

export type Delivery = {
  id: number;
  appId: number;
  guid: string;
  event: string;
  action: string | null;
  installationId: number | null;
  repositoryId: number | null;
  deliveredAt: number;
  redelivery: boolean;
  durationSeconds: number;
  statusCode: number;
  url: string;
  /** The very bytes that were signed, and what they say. */
  rawBody: string;
  payload: unknown;
  requestHeaders: Record<string, string>;
  responseHeaders: Record<string, string>;
  responseBody: string;
};

export type UserToken = { token: string; user: Account; appId: number; expiresAt: number };
export type RefreshToken = UserToken & { accessToken: string };
export type OAuthCode = {
  appId: number;
  user: Account;
  challenge: string | undefined;
  redirectUri: string | undefined;
  expiresAt: number;
};
export type Membership = { organization: Account; user: Account; role: 'admin' | 'member' };

export type CheckRun = {
  id: number;
  repositoryId: number;
  appId: number;
  name: string;
  headSha: string;
  externalId: string;
  detailsUrl: string | null;
  status: string;
  conclusion: string | null;
  startedAt: string;
  completedAt: string | null;
  output: { title: string | null; summary: string | null; text: string | null; annotations: number };
};

/** Who sits at the browser where a test names nobody. */
export const octocat: Account = { login: 'octocat', id: 583231, type: 'User' };

export type State = ReturnType<typeof createState>;

/** All that the stand-in remembers. Tests may read it, and reach in where no function helps. */
export function createState(flavour: Flavour, enterpriseVersion: string) {
  return {
    lastId: 1000,
    flavour,
    /** Of an Enterprise Server: what it says of itself, wherever it says it. */
    enterpriseVersion,
    /** Where it listens; known once it does. */
    url: '',
    apiUrl: '',
    /** How far GitHub's clock is ahead of ours, ms. */
    clock: { skewMs: 0 },
    apps: new Map<number, App>(),
    /** People and organizations, by number. */
    accounts: new Map<number, Account>([[octocat.id, octocat]]),
    installations: new Map<number, Installation>(),
    installationRequests: new Map<number, InstallationRequest>(),
    repositories: new Map<number, Repository>(),
    /** Old full names, lower case. */
    renamed: new Map<string, number>(),
    tokens: new Map<string, Token>(),
    runs: new Map<number, Run>(),
    statuses: [] as Status[],
    deployments: new Map<number, Deployment>(),
    checkRuns: new Map<number, CheckRun>(),
    deliveries: [] as Delivery[],
    manifestCodes: new Map<string, { manifest: Manifest; owner: Account; expiresAt: number }>(),
    oauthCodes: new Map<string, OAuthCode>(),
    userTokens: new Map<string, UserToken>(),
    refreshTokens: new Map<string, RefreshToken>(),
    memberships: [] as Membership[],
    /** Which user agreed to which App: `${appId}:${userId}`. */
    grants: new Set<string>(),
    /** Who is signed in at github.com, in the browser that comes to authorize. */
    person: octocat,
    now(): number {
      return Date.now() + this.clock.skewMs;
    },
    nextId(): number {
      this.lastId += 1;
      return this.lastId;
    },
  };
}

export type Manifest = {
  name?: string;
  url?: string;
  hook_attributes?: { url: string; active?: boolean };
  redirect_url?: string;
  callback_urls?: string[];
  setup_url?: string;
  description?: string;
  public?: boolean;
  request_oauth_on_install?: boolean;
  setup_on_update?: boolean;
  default_permissions?: Permissions;
  default_events?: string[];
};

export const zeroSha = '0'.repeat(40);

export function shaOf(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

export function newSha(): string {
  return randomBytes(20).toString('hex');
}
