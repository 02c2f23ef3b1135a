import { allConnectFlows, type ConnectFlow, type NewConnectFlow } from '../../db/connect/connect-flows.ts';
import { nudgeFlow } from '../../db/connect/flow-commands.ts';
import { flowStatesIn } from '../../db/connect/flow-states.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { integrationsFor } from '../../db/integrations/integrations.ts';
import { ownerNames } from '../../db/people/owner-names.ts';
import { holdOwner } from '../../db/people/projects.ts';
import { credentialsIn } from '../../db/secrets/credentials.ts';
import type { Db, Transaction } from '../../db/store/connection.ts';
import { flowLifetimes } from '../../domain/connect/flow-status.ts';
import { maxAppNameLength } from '../../domain/connect/github-manifest.ts';
import { allowedRedirect } from '../../domain/connect/redirects.ts';
import { newId } from '../../domain/ids.ts';
import { requireOrgAdmin } from '../http/caller.ts';
import type { ConnectSettings } from '../http/deps.ts';
import { Problem, required } from '../http/problems.ts';
import { type Asking, type Owner, ownerOf } from '../people/owner.ts';
import { hostOf, newestOperatorApp } from './github-host.ts';
import type { NewFlow } from './new-flow.ts';

export type StartDeps = { connect: ConnectSettings; publicUrl: string };
/** The most open flows of one organization. It limits forgotten flows and a tenant that floods the table. */
const mostOpen = 50;

/** Starts a flow and returns the address on which its browser starts. */
export async function startFlow(
  trx: Transaction,
  deps: StartDeps,
  asking: Asking,
  body: NewFlow,
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

/** Returns the owner and the host of the flow that this body would start. Refuses what `startFlow` would refuse. */
export async function plannedFlow(
  db: Db,
  deps: StartDeps,
  asking: Asking,
  body: NewFlow,
): Promise<Owner & { hostUrl: string }> {
  refuseMixed(body);
  redirectOf(deps, body.redirect_url);
  return whatOf(db, deps, asking, body);
}

type Opening = Omit<NewConnectFlow, 'createdBy' | 'redirectUrl'>;

/** Stores the flow and its workflow command, and returns the address on which its browser starts. */
export async function openFlow(
  trx: Transaction,
  deps: StartDeps,
  asking: Asking,
  redirect: string | undefined,
  what: Opening,
): Promise<{ flow: ConnectFlow; url: string }> {
  const redirectUrl = redirectOf(deps, redirect);
  required(await holdOwner(trx, what));
  const flows = allConnectFlows(trx);
  if ((await flows.countOpen(what.orgId)) >= mostOpen) {
    throw new Problem(
      'too_many_requests',
      `The organization already has ${mostOpen} open flows. Cancel some of them first.`,
    );
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

function refuseMixed({ app, integration_id: integrationId, installation_id: installationId }: NewFlow): void {
  const refuse = (path: string, message: string) => {
    throw new Problem('invalid_request', `\`${path}\` ${message}.`, { errors: [{ path: `body.${path}`, message }] });
  };
  if (app === 'own' && integrationId === undefined) refuse('integration_id', 'is required with `"app":"own"`');
  if (app !== 'own' && integrationId !== undefined) refuse('integration_id', 'is allowed only with `"app":"own"`');
  if (app === 'manifest' && installationId !== undefined)
    refuse('installation_id', 'cannot belong to a GitHub App that does not exist yet');
}

type What = Owner &
  Pick<
    NewConnectFlow,
    'kind' | 'hostUrl' | 'apiUrl' | 'githubAppId' | 'integrationId' | 'appName' | 'appPublic' | 'expiresAt'
  >;

async function whatOf(db: Db, deps: StartDeps, asking: Asking, body: NewFlow): Promise<What> {
  if (body.app === 'own') return ownApp(db, asking, body.integration_id ?? '');
  const owner = await ownerOf(db, asking, body);
  return body.app === 'operator' ? operatorApp(db, owner) : newApp(db, deps, body, owner);
}

async function newApp(db: Db, deps: StartDeps, body: NewFlow, owner: Owner): Promise<What> {
  const { hostUrl, apiUrl } = hostOf(deps.connect, body);
  const { org = '' } = await ownerNames(db, owner);
  return {
    ...owner,
    kind: 'manifest',
    hostUrl,
    apiUrl,
    githubAppId: newId('gha'),
    integrationId: null,
    appName: body.app_name ?? suggestedName(org),
    appPublic: body.public,
    expiresAt: Date.now() + flowLifetimes.manifest,
  };
}

async function operatorApp(db: Db, owner: Owner): Promise<What> {
  const app = await newestOperatorApp(db);
  if (!app) {
    const advice = 'Set GITHUB_APP_ID and the related settings, or create a GitHub App with `"app":"manifest"`.';
    throw new Problem('github_app_missing', advice);
  }
  await requireSignIn(db, app, 'Set GITHUB_APP_CLIENT_ID and GITHUB_APP_CLIENT_SECRET');
  return { ...owner, ...installing(app), kind: 'operator', integrationId: null };
}

/**
 * Returns the values for another installation of an integration's own App. It gets the same integration and the same
 * owner.
 */
async function ownApp(db: Db, { tenant, caller }: Asking, integrationId: string): Promise<What> {
  const integration = await integrationsFor(db, tenant).find(integrationId);
  const app = integration?.githubAppId ? await githubAppsIn(db).find(integration.githubAppId) : undefined;
  if (!integration || !app) throw new Problem('not_found');
  if (integration.projectId === null) requireOrgAdmin(caller, integration.orgId);
  if (app.orgId !== integration.orgId) {
    const advice = 'This integration uses the GitHub App of the operator. Connect with `"app":"operator"`.';
    throw new Problem('provider_not_supported', advice);
  }
  await requireSignIn(db, app, 'Delete this integration and import the GitHub App again with its client secret');
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
  if (app.clientId && (await credentialsIn(db).has(app.id, 'client_secret'))) return;
  throw new Problem('github_app_incomplete', `${cure}. Without it, people cannot prove that they own an account.`);
}

function redirectOf({ connect, publicUrl }: StartDeps, given: string | undefined): string | null {
  if (given === undefined) return null;
  const allowed = allowedRedirect(given, [new URL(publicUrl).origin, ...connect.redirectOrigins]);
  if (allowed === undefined) {
    throw new Problem(
      'invalid_request',
      'Send a `redirect_url` below the public address or below an origin in FAIRLEAD_CORS_ORIGINS.',
      {
        errors: [{ path: 'body.redirect_url', message: 'is not below an allowed origin' }],
      },
    );
  }
  return allowed;
}

/** Suggests a name for the App. Names are unique on all of GitHub, so each suggestion ends in random characters. */
function suggestedName(orgName: string): string {
  const tail = `-${newId('gha').slice(-5)}`;
  const words = orgName.replaceAll(/[^\w -]+/g, '').trim();
  return `${`Fairlead ${words}`.trim().slice(0, maxAppNameLength - tail.length)}${tail}`;
}
