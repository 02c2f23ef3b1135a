import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { expect } from 'vitest';
import { createApp, endpointsOf } from '../../api/app.ts';
import { createIntake } from '../../api/deliveries/intake.ts';
import { createHookKeys } from '../../api/deliveries/webhook-keys.ts';
import type { ApiDeps } from '../../api/http/deps.ts';
import type { Endpoint } from '../../api/http/endpoint.ts';
import { createOidcIssuer } from '../../broker/clouds/oidc-issuer.ts';
import { createGitTokens } from '../../broker/exchange/git-tokens.ts';
import { createImageCredentials } from '../../broker/exchange/image-credentials.ts';
import { githubAppEvents, githubAppPermissions } from '../../domain/github/github-permissions.ts';
import { createClient } from './client.ts';
import { openTestDatabase, type TestDatabase } from './database.ts';
import { compareWithDocument } from './documented.ts';
import { keyring, silent, unlimited } from './hooks.ts';

export const adminToken = 'the-operators-token-of-this-test';
export const publicUrl = 'https://fairlead.example.com';
export const corsOrigin = 'https://console.example.com';
export const headSha = '89abcdef0123456789abcdef0123456789abcdef';

/** Fairlead's own identity at AWS. */
export const ownIdentity = 'arn:aws:iam::999999999999:role/fairlead';

/** A GitHub on which every repository has the branch `main` and a workflow file that can be dispatched. */
const broker: ApiDeps['broker'] = {
  branches: async () => ({ branches: [{ name: 'main', sha: headSha }], next: undefined }),
  branchHead: async (_, branch) => (branch === 'main' ? headSha : undefined),
  liesOn: async () => true,
  inspectWorkflowFile: async () => ({ readable: true, dispatchable: true, missingInputs: [], runNameShowsBuild: true }),
};

/** A GitHub that has the App, with everything that is needed. */
const connector: ApiDeps['connector'] = {
  serverVersion: async () => undefined,
  checkImport: async ({ appId }) => ({
    id: appId,
    slug: 'found',
    name: 'Found',
    clientId: 'Iv1.found',
    permissions: { ...githubAppPermissions },
    events: [...githubAppEvents],
    hook: { url: undefined, contentType: 'json' },
  }),
};

/** Mints a token for every request. */
const tokenMaker = {
  asApp: async () => ({
    mintToken: async ({ permissions = {} }: { permissions?: Record<string, string> }) => ({
      token: `ghs_${randomBytes(18).toString('hex')}`,
      expiresAt: Date.now() + 3_600_000,
      permissions,
    }),
  }),
  revokeToken: async () => {},
};

/** A registry that grants every request. */
const registryAccess: Parameters<typeof createImageCredentials>[0]['access'] = {
  credential: async (_, { repositories, purpose }) => ({
    host: 'registry.example.com',
    username: 'robot',
    password: randomBytes(18).toString('hex'),
    expiresAt: Date.now() + 3_600_000,
    effective: { repositories, actions: [purpose], narrowedTo: 'repository' },
  }),
};

/** A Google for tests that redirect no one there. */
const googleConsents: ApiDeps['googleConsents'] = {
  isOffered: true,
  consentUrl: ({ state }) => `https://accounts.google.com/?state=${state}`,
  redeemCode: async () => ({ email: 'ann@acme.test', refreshToken: '1//refresh' }),
  revoke: async () => {},
};

type Changes = Partial<Omit<ApiDeps, 'intake' | 'registry'>> & {
  database?: TestDatabase;
  /** The limits of the webhook intake: how much it holds, and how slowly a body may arrive. */
  webhooks?: Pick<Parameters<typeof createIntake>[0], 'bounds' | 'arrival'>;
  extra?: (deps: ApiDeps) => Endpoint[];
};

/** Runs the whole API behind a real HTTP server, with `extra` endpoints for tests that need a broken one. */
export async function startApi({ extra = () => [], webhooks = {}, ...changes }: Changes = {}) {
  const database = changes.database ?? (await openTestDatabase());
  const registry = new Registry();
  const hookKeys = createHookKeys({ database, keyring: changes.keyring ?? keyring });
  const intake = createIntake({ database, hookKeys, logger: silent, registry, ...webhooks });
  const deps: ApiDeps = {
    broker,
    gitTokens: createGitTokens({ database, keyring, broker: tokenMaker }),
    imageCredentials: createImageCredentials({ database, keyring, access: registryAccess }),
    googleConsents,
    cloudAccounts: { awsIdentity: 'assume', principal: async () => ownIdentity },
    issuer: createOidcIssuer({ database, keyring, publicUrl }),
    connector,
    keyring,
    connect: {
      defaultHost: { hostUrl: 'https://github.com', apiUrl: 'https://api.github.com' },
      allowedHosts: [],
      redirectOrigins: [corsOrigin],
      patienceMs: 300,
      webhookUrlFor: (githubAppId) => `${publicUrl}/v1/webhooks/github/${githubAppId}`,
    },
    intake,
    logger: silent,
    registry,
    links: { publicUrl, temporalUiUrl: 'http://127.0.0.1:8233', namespace: 'default' },
    adminToken,
    corsOrigins: [corsOrigin],
    trustProxy: false,
    limiter: unlimited,
    ...changes,
    database,
  };
  const added = extra(deps);
  const { watch, complaints } = compareWithDocument();
  const serve = createApp(deps, added).callback();
  const server = createServer((request, response) => {
    watch(request, response);
    serve(request, response);
  });
  // Creating keys blocks this process, on a busy machine for seconds. An idle connection must stay open during that
  // time.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  /** Stops the server and keeps the database. */
  async function close(): Promise<void> {
    server.close().closeAllConnections();
    await intake.drain();
    expect([...complaints], 'Every response must be in the OpenAPI document').toEqual([]);
  }
  return {
    url,
    hookUrl: `${url}/v1/webhooks/github`,
    registry,
    database,
    endpoints: [...endpointsOf(deps), ...added],
    admin: createClient(url, adminToken),
    as: (token: string) => createClient(url, token),
    close,
    async stop() {
      await close();
      await database.drop();
    },
  };
}

export type TestApi = Awaited<ReturnType<typeof startApi>>;
