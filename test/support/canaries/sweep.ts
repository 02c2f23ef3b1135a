import { randomUUID } from 'node:crypto';
import type { Endpoint } from '../../../api/http/endpoint.ts';
import { newId } from '../../../domain/ids.ts';
import type { TestApi } from '../api.ts';
import { rsaKeyPair } from '../rsa-keys.ts';
import { addToken, type Tenant, tokenScopes } from '../scenes/tenants.ts';

/** The things of a tenant, by the names of the path parameters. */
const paramFixtures: Record<string, (tenant: Tenant & { tokenId: string }) => string> = {
  org: ({ orgId }) => orgId,
  project: ({ projectId }) => projectId,
  app: ({ appId }) => appId,
  pipeline: ({ pipelineId }) => pipelineId,
  integration: ({ integrationId }) => integrationId,
  repository: ({ repositoryId }) => repositoryId,
  build: ({ buildId }) => buildId,
  delivery: ({ deliveryId }) => deliveryId,
  operation: ({ operationId }) => operationId,
  token: ({ tokenId }) => tokenId,
  incident: ({ incidentId }) => incidentId,
  flow: ({ flowId }) => flowId,
  lease: ({ leaseId }) => leaseId,
  account: ({ cloudAccountId }) => cloudAccountId,
};

/** A valid body for the route, by its `operationId`. It names only the tenant's own things. */
const bodyFixtures: Record<string, (tenant: Tenant) => Record<string, unknown>> = {
  createIntegration: ({ projectId }) => ({ provider: 'dockerhub', project_id: projectId, credentials: robot() }),
  startGithubFlow: ({ projectId }) => ({ project_id: projectId }),
  adoptInstallation: ({ installation }) => ({ installation_id: installation }),
  reauthorizeIntegration: () => ({}),
  completeGithubFlow: () => ({ state: 'a-state-that-nobody-has-been-given', code: 'a-code' }),
  importGithubApp: ({ projectId, installation }) => ({
    project_id: projectId,
    app_id: installation + 5_000_000,
    private_key: rsaKeyPair().privateKey,
    webhook_secret: 'a secret of the webhook',
    client_secret: 'a secret of the client',
  }),
  createIntegrationInDialect: ({ projectId }) => ({ kind: 'dockerhub', name: 'New', credentials: robot(), projectId }),
  updateIntegrationInDialect: () => ({ name: 'Renamed' }),
  replaceIntegrationInDialect: () => ({ name: 'Renamed' }),
  createProject: ({ orgId }) => ({ org_id: orgId, name: 'New' }),
  updateProject: () => ({ name: 'Renamed' }),
  updateIntegration: () => ({ display_name: 'Renamed' }),
  rotateCredential: () => ({ kind: 'webhook_secret' }),
  rollbackCredential: () => ({ kind: 'webhook_secret' }),
  createApp: () => ({ name: 'New' }),
  updateApp: () => ({ name: 'Renamed' }),
  updateAppSource: () => ({ branch: 'develop' }),
  setAppSource: ({ integrationId, repositoryId }) => ({ integration_id: integrationId, repository_id: repositoryId }),
  setAppRegistry: ({ registryId }) => ({ integration_id: registryId, image_repository: 'acme/shop' }),
  createCloudAccount: ({ projectId }) => ({
    project_id: projectId,
    kind: 'aws',
    auth_mode: 'assume_role',
    display_name: 'New',
    config: { role_arn: 'arn:aws:iam::123456789012:role/fairlead' },
  }),
  startGoogleConsent: ({ projectId }) => ({ project_id: projectId }),
  updateCloudAccount: () => ({ display_name: 'Renamed' }),
  createPipeline: () => ({ name: 'new', workflow_file: 'deploy.yml' }),
  updatePipeline: () => ({ name: 'renamed' }),
  triggerBuild: () => ({}),
  exchangeCredentials: ({ appId }) => ({ purpose: 'clone', app_id: appId }),
  createOrg: () => ({ name: 'New' }),
  updateOrg: () => ({ name: 'Renamed' }),
  createSession: () => ({ code: 'a-code-that-nobody-has-been-given' }),
  createToken: ({ orgId, projectId }) => ({
    org_id: orgId,
    project_id: projectId,
    name: 'New',
    scopes: ['projects:read'],
  }),
};

/** Another account each time, because the same account cannot be connected twice. */
function robot() {
  return { username: `robot-${randomUUID()}`, password: 'a password of the robot' };
}

/** The routes without a sign-in. A new route belongs in this list only if everyone in the world may call it. */
export const publicOperations = [
  'receiveGithubWebhook',
  'receiveGithubAppWebhook',
  'getGithubCreatePage',
  'getGithubCallback',
  'getGithubAppCallback',
  'beginFlow',
  'getGithubInstalled',
  // Authenticates on its own: by session, Bearer token or ticket.
  'getGithubInstall',
  'getGithubInstallInDialect',
  'getGithubCallbackInDialect',
  'getFlowPage',
  'continueFlow',
  'pressConfirm',
  'pressInstall',
  'pressAccount',
  'pressCancel',
  'pressCheck',
  'openGoogleConsent',
  'beginGoogleConsent',
  'getGoogleCallback',
  'createSession',
  'getSignIn',
  'postSignIn',
  'getIssuer',
  'getIssuerKeys',
  'getHealth',
  'getReadiness',
  'getHome',
  'getOpenApi',
  'getDocs',
  'getDocsScript',
  'getDocsStyles',
];

/** The same for routes outside the frame, which check no caller. */
export const rawOperations = publicOperations.filter(
  (name) => !['createSession', 'getIssuer', 'getIssuerKeys', 'getHealth', 'getReadiness'].includes(name),
);

export const isPublic = (endpoint: Endpoint) => endpoint.access === 'public';
export const namesAThing = (endpoint: Endpoint) => endpoint.path.includes('{');

/** The URL of this tenant's thing. */
export function pathOf(endpoint: Endpoint, tenant: Tenant & { tokenId: string }): string {
  return endpoint.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const fixture = paramFixtures[name];
    if (!fixture) throw new Error(`${endpoint.path}: add to paramFixtures which seeded id {${name}} stands for`);
    return fixture(tenant);
  });
}

/** The same URL with well-formed ids that belong to nothing. */
export function absentPathOf(endpoint: Endpoint, tenant: Tenant & { tokenId: string }): string {
  return pathOf(endpoint, tenant).replaceAll(/\/([a-z]+)_[0-9a-z]{26}/g, (_, prefix) => `/${newId(prefix)}`);
}

export function bodyOf(endpoint: Endpoint, tenant: Tenant): Record<string, unknown> | undefined {
  if (!endpoint.body) return undefined;
  const fixture = bodyFixtures[endpoint.operationId];
  if (!fixture) throw new Error(`${endpoint.operationId}: add to bodyFixtures a body that it takes`);
  return fixture(tenant);
}

export type Asked = { status: number; code: string | undefined; text: string };

/** Calls the endpoint. Returns the answer without the parts that differ between requests. */
export async function ask(
  api: TestApi,
  endpoint: Endpoint,
  path: string,
  { token, body }: { token?: string | undefined; body?: unknown },
): Promise<Asked> {
  const response = await fetch(api.url + path, {
    method: endpoint.method.toUpperCase(),
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const headers = [...response.headers].filter(([name]) => !['x-request-id', 'date'].includes(name));
  return {
    status: response.status,
    code: /"code":"(\w+)"/.exec(text)?.[1],
    text: JSON.stringify(headers) + text.replace(/"request_id":"[^"]+"/, ''),
  };
}

export type World = {
  /** The tenant that owns the requested things. */
  mine: Tenant & { tokenId: string };
  /** Another project of the same organization. */
  sibling: Tenant & { tokenId: string };
  /** Another organization. */
  foreign: Tenant & { tokenId: string };
};

/** Returns one sentence for each answer of this endpoint to a caller without access. */
export async function leaksOf(api: TestApi, endpoint: Endpoint, { mine, sibling, foreign }: World): Promise<string[]> {
  const found: string[] = [];
  const at = pathOf(endpoint, mine);
  const absent = absentPathOf(endpoint, mine);
  const body = bodyOf(endpoint, mine);
  const expectAnswer = (who: string, { status, text }: Asked, expected: number) => {
    if (status !== expected) found.push(`${endpoint.operationId}: ${who} got ${status}, not ${expected}: ${text}`);
  };

  const unknown: [string, string | undefined][] = [
    ['nobody', undefined],
    ['a made-up token', `flt_${'x'.repeat(43)}`],
    ['a made-up session', `fls_${'x'.repeat(43)}`],
    ['no token at all', 'garbage'],
    ['a revoked token', await revokedToken(api, mine)],
    ['an expired token', (await addToken(api.database, mine, tokenScopes, Date.now() - 1)).secret],
  ];
  for (const [who, token] of unknown) expectAnswer(who, await ask(api, endpoint, at, { token, body }), 401);

  const { access } = endpoint;
  if (access !== 'signed_in') {
    const others = tokenScopes.filter((scope) => scope !== access);
    const { secret: token } = await addToken(api.database, mine, others);
    expectAnswer(`a token without ${access}`, await ask(api, endpoint, at, { token, body }), 403);
  }
  // Even with every scope, the route must check the owner.
  const narrowed: [string, { appId: string; buildId?: string }][] = [
    ['an app’s token', { appId: mine.appId }],
    ['a build’s token', { appId: mine.appId, buildId: mine.buildId }],
  ];
  for (const [who, to] of endpoint.forNarrow ? [] : narrowed) {
    const { secret: token } = await addToken(api.database, { ...mine, narrowedTo: to });
    expectAnswer(who, await ask(api, endpoint, at, { token, body }), 403);
  }
  if (!namesAThing(endpoint) || access === 'ops') return found;

  const strangers: [string, { orgId: string; projectId?: string }][] = [
    ['another organization', { orgId: foreign.orgId }],
    ['a project of another organization', { orgId: foreign.orgId, projectId: foreign.projectId }],
    ['another project of the organization', { orgId: mine.orgId, projectId: sibling.projectId }],
  ];
  for (const [who, where] of strangers) {
    const { secret: token } = await addToken(api.database, where);
    const seen = await ask(api, endpoint, at, { token, body });
    expectAnswer(who, seen, 404);
    const none = await ask(api, endpoint, absent, { token, body });
    if (seen.text !== none.text) {
      found.push(`${endpoint.operationId}: ${who} can tell a thing from none: ${seen.text} ≠ ${none.text}`);
    }
  }
  return found;
}

async function revokedToken(api: TestApi, where: { orgId: string; projectId: string }): Promise<string> {
  const { id, secret } = await addToken(api.database, where);
  await api.database.write((trx) => trx('tokens').where({ id }).update({ revoked_at: Date.now() }));
  return secret;
}
