import type { z } from 'zod';
import { type ConnectFlow, connectFlowsIn, type NewConnectFlow } from '../../db/connect/connect-flows.ts';
import { nudgeFlow } from '../../db/connect/flow-commands.ts';
import { flowStatesIn } from '../../db/connect/flow-states.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { integrationsIn } from '../../db/integrations/integrations.ts';
import { holdOwner } from '../../db/people/hold-owner.ts';
import { projectsIn } from '../../db/people/projects.ts';
import type { Db, Transaction } from '../../db/store/connection.ts';
import { covers, everything, type TenantScope } from '../../db/store/tenant.ts';
import { flowLifetimes } from '../../domain/connect/flow-status.ts';
import { maxAppNameLength } from '../../domain/connect/github-manifest.ts';
import { tenantHostUrl } from '../../domain/connect/host-url.ts';
import { allowedRedirect } from '../../domain/connect/redirects.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { newId } from '../../domain/ids.ts';
import { type Caller, requireOrgAdmin } from '../http/caller.ts';
import type { ConnectSettings } from '../http/deps.ts';
import { Problem } from '../http/problems.ts';
import type { NewFlow } from './new-flow.ts';

export type StartDeps = { connect: ConnectSettings; publicUrl: string };
/** Of one organization: whoever starts more has forgotten the others, or wants to be in the way. */
const mostOpen = 50;

export type Asking = { tenant: TenantScope; caller: Caller };
type Body = z.output<typeof NewFlow>;
type Owner = { orgId: string; projectId: string | null };

/** Starts a flow, and answers the address on which its browser begins. */
export async function startFlow(
  trx: Transaction,
  deps: StartDeps,
  asking: Asking,
  body: Body,
): Promise<{ flow: ConnectFlow; url: string }> {
  refuseMixed(body);
  return openFlow(trx, deps, asking, body.redirect_url, {
    ...(await whatOf(trx, deps, asking, body)),
    displayName: body.display_name ?? null,
    accountLogin: body.owner ?? null,
    accountId: body.owner_id ?? null,
    claimedInstallation: body.installation_id ?? null,
  });
}

type Opening = Omit<NewConnectFlow, 'createdBy' | 'redirectUrl'>;

/** Writes the flow down, with its workflow and the address on which its browser begins. */
export async function openFlow(
  trx: Transaction,
  deps: StartDeps,
  asking: Asking,
  redirect: string | undefined,
  what: Opening,
): Promise<{ flow: ConnectFlow; url: string }> {
  const redirectUrl = redirectOf(deps, redirect);
  if (!(await holdOwner(trx, what))) throw new Problem('not_found');
  const flows = connectFlowsIn(trx, everything);
  if ((await flows.countOpen(what.orgId)) >= mostOpen) {
    throw new Problem('too_many_requests', `${mostOpen} flows of this organization are open: end some of them first.`);
  }
  const flow = await flows.insert({
    ...what,
    createdBy: asking.caller.id,
    redirectUrl,
  });
  await nudgeFlow(trx, flow);
  const isManifest = flow.kind === 'manifest';
  const state = await flowStatesIn(trx).issue(flow.id, isManifest ? 'create' : 'ticket');
  const base = `${deps.publicUrl}/v1/integrations/github`;
  return { flow, url: isManifest ? `${base}/create?state=${state}` : `${base}/install?ticket=${state}` };
}

function refuseMixed({ app, integration_id: integrationId, installation_id: installationId }: Body): void {
  const refuse = (path: string, message: string) => {
    throw new Problem('invalid_request', `\`${path}\` ${message}.`, { errors: [{ path: `body.${path}`, message }] });
  };
  if (app === 'own' && integrationId === undefined) refuse('integration_id', 'is needed with `"app":"own"`');
  if (app !== 'own' && integrationId !== undefined) refuse('integration_id', 'goes with `"app":"own"` only');
  if (app === 'manifest' && installationId !== undefined)
    refuse('installation_id', 'cannot be of an App that is not made yet');
}

type What = Owner &
  Pick<
    NewConnectFlow,
    'kind' | 'hostUrl' | 'apiUrl' | 'githubAppId' | 'integrationId' | 'appName' | 'appPublic' | 'expiresAt'
  >;

async function whatOf(db: Db, deps: StartDeps, asking: Asking, body: Body): Promise<What> {
  if (body.app === 'own') return ownApp(db, asking, body.integration_id ?? '');
  const owner = await ownerOf(db, asking, body);
  return body.app === 'operator' ? operatorApp(db, owner) : newApp(db, deps, body, owner);
}

/** A project of the caller's, or the organization itself where the caller administers it. */
export async function ownerOf(
  db: Db,
  { tenant, caller }: Asking,
  { project_id: projectId, org_id: orgId }: Pick<Body, 'project_id' | 'org_id'>,
): Promise<Owner> {
  const projects = projectsIn(db, tenant);
  if (projectId !== undefined) {
    const project = await projects.find(projectId);
    if (!project || (orgId !== undefined && orgId !== project.orgId)) throw new Problem('not_found');
    return { orgId: project.orgId, projectId };
  }
  if (orgId !== undefined) {
    const isThere = await db('orgs').where({ id: orgId }).whereNull('deleted_at').first('id');
    if (!isThere || !covers(tenant, orgId)) throw new Problem('not_found');
    requireOrgAdmin(caller, orgId);
    return { orgId, projectId: null };
  }
  const { items } = await projects.list({ limit: 2 });
  const [only, another] = items;
  if (only && !another) return { orgId: only.orgId, projectId: only.id };
  throw new Problem('invalid_request', 'Send `project_id`, or `org_id` to connect for the whole organization.');
}

async function newApp(db: Db, deps: StartDeps, body: Body, owner: Owner): Promise<What> {
  const { hostUrl, apiUrl } = hostOf(deps.connect, body);
  const org = await db('orgs').where({ id: owner.orgId }).first('name');
  return {
    ...owner,
    kind: 'manifest',
    hostUrl,
    apiUrl,
    githubAppId: newId('gha'),
    integrationId: null,
    appName: body.app_name ?? suggestedName(org?.name ?? ''),
    appPublic: body.public,
    expiresAt: Date.now() + flowLifetimes.manifest,
  };
}

/** The addresses of the GitHub that is meant, where they may be reached. */
export function hostOf(
  { allowedHosts, defaultHost }: ConnectSettings,
  { host_url: web = defaultHost.hostUrl, api_url: api }: Pick<Body, 'host_url' | 'api_url'>,
): { hostUrl: string; apiUrl: string } {
  const hostUrl = tenantHostUrl(web, allowedHosts);
  const usual = hostUrl === defaultHost.hostUrl ? defaultHost.apiUrl : hostUrl && githubHost(hostUrl).api;
  const apiUrl = api?.replace(/\/+$/, '') ?? usual;
  // Whose API speaks for a host says what its Apps are: nobody may bring another one for a host that is not theirs.
  const origin = apiUrl !== undefined && URL.canParse(apiUrl) ? new URL(apiUrl).origin : '';
  const isItsOwn = hostUrl && apiUrl && (apiUrl === usual || origin === hostUrl);
  if (isItsOwn && tenantHostUrl(origin, allowedHosts)) return { hostUrl, apiUrl };
  const advice = 'Send `https://` and the public name of the host; FAIRLEAD_ALLOWED_HOSTS opens others.';
  throw new Problem('host_not_allowed', advice);
}

/** The one that is configured now. */
export async function newestOperatorApp(db: Db): Promise<GithubApp | undefined> {
  return (await githubAppsIn(db).list()).filter(({ orgId }) => orgId === null).at(-1);
}

async function operatorApp(db: Db, owner: Owner): Promise<What> {
  const app = await newestOperatorApp(db);
  if (!app) {
    const advice = 'Set GITHUB_APP_ID and the settings that go with it, or make an App with `"app":"manifest"`.';
    throw new Problem('github_app_missing', advice);
  }
  await requireSignIn(db, app, 'Set GITHUB_APP_CLIENT_ID and GITHUB_APP_CLIENT_SECRET');
  return { ...owner, ...installing(app), kind: 'operator', integrationId: null };
}

/** The App of an integration: what is installed beside it will be that integration's, and its owner's. */
async function ownApp(db: Db, { tenant, caller }: Asking, integrationId: string): Promise<What> {
  const integration = await integrationsIn(db, tenant).find(integrationId);
  const app = integration?.githubAppId ? await githubAppsIn(db).find(integration.githubAppId) : undefined;
  if (!integration || !app) throw new Problem('not_found');
  if (integration.projectId === null) requireOrgAdmin(caller, integration.orgId);
  if (app.orgId !== integration.orgId) {
    const advice = 'This integration is on the operator’s App: connect with `"app":"operator"`.';
    throw new Problem('provider_not_supported', advice);
  }
  await requireSignIn(db, app, 'Delete this integration and import the App again, with its client secret');
  const { orgId, projectId } = integration;
  return { orgId, projectId, ...installing(app), kind: 'own', integrationId };
}

export function installing(app: GithubApp) {
  return {
    hostUrl: app.hostUrl,
    apiUrl: app.apiUrl,
    githubAppId: app.id,
    appName: app.name,
    appPublic: true,
    expiresAt: Date.now() + flowLifetimes.install,
  };
}

export async function requireSignIn(db: Db, app: GithubApp, cure: string): Promise<void> {
  if (app.clientId && (await hasSecret(db, app.id))) return;
  throw new Problem('github_app_incomplete', `${cure}: without it nobody can show that they own an account.`);
}

async function hasSecret(db: Db, githubAppId: string): Promise<boolean> {
  const row = await db('credentials').where({ github_app_id: githubAppId, kind: 'client_secret' }).first('id');
  return row !== undefined;
}

function redirectOf({ connect, publicUrl }: StartDeps, given: string | undefined): string | null {
  if (given === undefined) return null;
  const allowed = allowedRedirect(given, [new URL(publicUrl).origin, ...connect.redirectOrigins]);
  if (allowed === undefined) {
    throw new Problem(
      'invalid_request',
      'Send a `redirect_url` below the public address or an origin in FAIRLEAD_CORS_ORIGINS.',
      {
        errors: [{ path: 'body.redirect_url', message: 'is not below an allowed origin' }],
      },
    );
  }
  return allowed;
}

/** Names are unique on all of GitHub, so each suggestion ends in a few letters of its own. */
function suggestedName(orgName: string): string {
  const tail = `-${newId('gha').slice(-5)}`;
  const words = orgName.replaceAll(/[^\w -]+/g, '').trim();
  return `${`Fairlead ${words}`.trim().slice(0, maxAppNameLength - tail.length)}${tail}`;
}
