import type { IntegrationStatus } from '../../domain/integrations/integration-status.ts';
import { allApps } from '../builds/apps.ts';
import { allIntegrations } from '../integrations/integrations.ts';
import type { Db, Transaction } from '../store/connection.ts';
import { type GithubApp, githubAppsIn } from './github-apps.ts';
import { allInstallations, type Installation } from './installations.ts';

/** An installation that an owner is about to get. The caller must lock the owner with `holdOwner` first. */
export type Binding = {
  orgId: string;
  /** Null for an integration that belongs to the whole organization. */
  projectId: string | null;
  installation: Installation;
  hostUrl: string;
  displayName: string | null;
  createdBy: string;
  /** The status of an integration that is created for the installation. */
  status: 'active' | 'suspended';
  /** The integration that the installation joins. If it is null, a new integration is created. */
  joins: { integrationId: string; isOperatorApp: boolean } | null;
};

/** A binding, or the reason why there is none. */
export type BindingOutcome =
  | { outcome: 'bound'; integrationId: string; rebound: number }
  | { outcome: 'already_bound'; integrationId: string }
  | { outcome: 'claimed_by_other_org' }
  /** An integration of this owner has the identity of the installation, but is not bound to it. */
  | { outcome: 'identity_taken'; integrationId: string | null };

/** Claims an installation for an organization and binds it to an integration of the owner. */
export async function bindInstallation(trx: Transaction, binding: Binding): Promise<BindingOutcome> {
  const { orgId, projectId, installation } = binding;
  const ownerId = projectId ?? orgId;
  const installations = allInstallations(trx);
  if (!(await installations.claim(installation.id, orgId))) return { outcome: 'claimed_by_other_org' };
  const already = await installations.boundTo(ownerId, installation.id);
  if (already !== undefined) return { outcome: 'already_bound', integrationId: already };

  const integrationId = await integrationFor(trx, binding);
  if (integrationId === undefined) {
    const taken = await allIntegrations(trx).findByIdentity(ownerId, identityKeyOf(installation));
    return { outcome: 'identity_taken', integrationId: taken?.id ?? null };
  }
  await installations.bind(integrationId, installation.id, ownerId);
  const rebound = await allApps(trx).rebind({ id: integrationId, orgId, projectId }, installation.id);
  return { outcome: 'bound', integrationId, rebound };
}

/**
 * Returns the integration that the installation belongs to. An organization's own App has one integration for all its
 * accounts; the operator's App has one for each account.
 */
async function integrationFor(
  trx: Transaction,
  { orgId, projectId, installation, hostUrl, displayName, createdBy, status, joins }: Binding,
): Promise<string | undefined> {
  const integrations = allIntegrations(trx);
  const identity = {
    identityKey: identityKeyOf(installation),
    metadata: { installation_id: installation.externalId },
    displayName: displayName ?? `GitHub: ${installation.accountLogin}`,
  };
  if (!joins) {
    const made = await integrations.insert({
      orgId,
      projectId,
      kind: 'github',
      hostUrl,
      authMode: 'github_app',
      status,
      githubAppId: installation.githubAppId,
      createdBy,
      ...identity,
    });
    return made?.id;
  }
  const { integrationId, isOperatorApp } = joins;
  if (isOperatorApp) {
    const before = await integrations.find(integrationId);
    const isNew = before?.status === 'registered' || before?.status === 'awaiting_approval';
    await integrations.setIdentity(integrationId, {
      ...identity,
      ...(before && !isNew && { displayName: before.displayName }),
    });
  }
  await reviveIntegration(trx, integrationId);
  return integrationId;
}

/**
 * The statuses that a proven sign-in ends, because GitHub has just accepted both the App's key and the person's code.
 */
const cured: readonly IntegrationStatus[] = [
  'registered',
  'awaiting_approval',
  'reauth_required',
  'disconnected',
  'suspended',
];

/** Makes the integration active again. `followInstallations` then corrects the status if its installations are not usable. */
export async function reviveIntegration(trx: Transaction, integrationId: string): Promise<void> {
  const integrations = allIntegrations(trx);
  const integration = await integrations.find(integrationId);
  if (integration && cured.includes(integration.status)) await integrations.moveStatus(integrationId, 'active');
}

/** Returns GitHub's IDs of the accounts that the integration is connected to. */
export async function listBoundAccounts(db: Db, integrationId: string): Promise<number[]> {
  const bound = db('bindings').where({ integration_id: integrationId }).select('installation_id');
  const rows = await db('installations').whereIn('id', bound).select('account_id');
  return rows.map(({ account_id: accountId }) => accountId);
}

/** Returns GitHub's IDs of the repositories that apps are built from through the integration. */
export async function listSourceRepositories(db: Db, integrationId: string): Promise<number[]> {
  const apps = db('apps').where({ source_integration_id: integrationId, deleted_at: null });
  const rows = await db('repositories').whereIn('id', apps.select('source_repository_id')).select('external_id');
  return rows.map(({ external_id: externalId }) => externalId);
}

/** Lists the operator's Apps, oldest first: the Apps that belong to no organization. */
export async function listOperatorApps(db: Db): Promise<GithubApp[]> {
  return (await githubAppsIn(db).list()).filter(({ orgId }) => orgId === null);
}

/**
 * Lists the installations of the operator's GitHub Apps that have this ID at GitHub and are not removed. There can be
 * several, because each host numbers its installations independently.
 */
export async function listOperatorInstallations(
  db: Db,
  externalId: number,
): Promise<{ app: GithubApp; installation: Installation }[]> {
  const found: { app: GithubApp; installation: Installation }[] = [];
  for (const app of await listOperatorApps(db)) {
    const installation = await allInstallations(db).findByExternalId(app.id, externalId);
    if (installation && installation.removedAt === null) found.push({ app, installation });
  }
  return found;
}

function identityKeyOf({ id }: Installation): string {
  return `installation:${id}`;
}
