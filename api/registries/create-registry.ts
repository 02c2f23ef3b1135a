import { z } from 'zod';
import { cloudAccountsFor } from '../../db/clouds/cloud-accounts.ts';
import { type Integration, integrationsFor } from '../../db/integrations/integrations.ts';
import type { Operation } from '../../db/ops/operations.ts';
import { holdOwner } from '../../db/people/projects.ts';
import { requestVerification } from '../../db/registries/registry-verifications.ts';
import { sealedSecrets } from '../../db/secrets/sealed-secrets.ts';
import type { CloudKind } from '../../domain/clouds/cloud-accounts.ts';
import type { RegistryHost } from '../../domain/registries/registry-hosts.ts';
import {
  type RegistrySettings,
  registryIdentity,
  registryPasswordKind,
} from '../../domain/registries/registry-settings.ts';
import type { ApiDeps } from '../http/deps.ts';
import type { WriteRequest } from '../http/endpoint.ts';
import { expiresAt, id, name } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { ownerOf } from '../people/owner.ts';
import {
  Credentials,
  caPem,
  purposes,
  realm,
  refuseCredentials,
  refuseShortLived,
  refuseUnreachableRealm,
  registry,
  registryOf,
  repositories,
  repositoriesOf,
} from './registry-input.ts';

const ofAll = {
  project_id: id('prj')
    .optional()
    .describe('The project that will own the registry. You can omit it if you have access to only one project'),
  org_id: id('org')
    .optional()
    .describe('The organization that will own the registry, instead of a project. You need `org:admin`'),
  display_name: name.optional(),
  repositories: repositories.default([]),
  purposes: purposes.optional(),
};
const withCredentials = { ...ofAll, credentials: Credentials, expires_at: expiresAt.optional() };

export const NewDockerHub = z
  .strictObject({
    provider: z.literal('dockerhub'),
    registry: registry.default('docker.io'),
    ...withCredentials,
  })
  .meta({ id: 'NewDockerHubRegistry' });
export const NewOci = z
  .strictObject({
    provider: z.literal('oci'),
    registry,
    ...withCredentials,
    realm: realm.optional(),
    ca_pem: caPem.optional(),
  })
  .meta({ id: 'NewOciRegistry' });
export const NewCloudRegistry = z
  .strictObject({
    provider: z.enum(['ecr', 'gar', 'acr']),
    registry,
    ...ofAll,
    cloud_account_id: id('ca').describe('The cloud account whose access the registry inherits'),
    credentials: z.unknown().optional().describe('Not allowed: these registries have no credentials of their own'),
  })
  .meta({ id: 'NewCloudRegistry' });

export type NewRegistry = z.output<typeof NewDockerHub> | z.output<typeof NewOci> | z.output<typeof NewCloudRegistry>;
type Owner = { orgId: string; projectId: string | null };

const clouds: Record<'ecr' | 'gar' | 'acr', CloudKind> = { ecr: 'aws', gar: 'gcp', acr: 'azure' };

/** Makes every check that needs the request only. */
export function checkNewRegistry(body: NewRegistry, { connect }: Pick<ApiDeps, 'connect'>): RegistryHost {
  if ('cloud_account_id' in body) {
    if (body.credentials !== undefined) refuseCredentials(body.provider);
  } else refuseShortLived(body.credentials);
  const host = registryOf(body.provider, body.registry, connect.allowedHosts);
  repositoriesOf(host, body.repositories);
  if ('realm' in body && body.realm !== undefined) {
    refuseUnreachableRealm(body.realm, host.origin, connect.allowedHosts);
  }
  return host;
}

/** Connects a registry and starts its verification. It stays `pending` until the verification succeeds. */
export async function createRegistry(
  request: Pick<WriteRequest, 'trx' | 'tenant' | 'caller' | 'audit'>,
  { keyring }: Pick<ApiDeps, 'keyring'>,
  { body, host }: { body: NewRegistry; host: RegistryHost },
): Promise<{ integration: Integration; operation: Operation }> {
  const { trx, tenant, caller, audit } = request;
  const owner = await ownerOf(trx, request, body);
  required(await holdOwner(trx, owner));
  const isCloud = 'cloud_account_id' in body;
  if (isCloud) await requireCloudAccount(request, owner, body);
  const settings: RegistrySettings = {
    registry: host.host,
    repositories: repositoriesOf(host, body.repositories),
    ...(body.purposes && { purposes: body.purposes }),
    ...(!isCloud && { username: body.credentials.username }),
    ...('realm' in body && body.realm !== undefined && { realm: body.realm }),
    ...('ca_pem' in body && body.ca_pem !== undefined && { ca_pem: body.ca_pem }),
  };
  const identityKey = registryIdentity(
    host.host,
    isCloud ? { cloud: body.cloud_account_id } : { username: body.credentials.username },
  );
  const integrations = integrationsFor(trx, tenant);
  const made = await integrations.insert({
    ...owner,
    kind: body.provider,
    hostUrl: host.kind === 'oci' ? host.origin : `https://${host.host}`,
    authMode: isCloud ? 'cloud_account' : 'basic',
    status: 'pending',
    displayName: body.display_name ?? `${host.host}${isCloud ? '' : `: ${body.credentials.username}`}`.slice(0, 100),
    githubAppId: null,
    createdBy: caller.id,
    identityKey,
    metadata: {},
    cloudAccountId: isCloud ? body.cloud_account_id : null,
    settings,
    expiresAt: isCloud || body.expires_at === undefined ? null : body.expires_at * 1000,
  });
  if (!made) throw await existing(request, owner, identityKey);
  if (!isCloud) {
    const secrets = sealedSecrets(trx, keyring);
    await secrets.put({ integrationId: made.id }, owner.orgId, registryPasswordKind, body.credentials.password);
  }
  const detail = { provider: body.provider, registry: host.host };
  await audit({ ...owner, action: 'integration.created', target: made.id, detail });
  const integration = await integrations.find(made.id);
  if (!integration) throw new Error('The integration is gone within its own transaction');
  return { integration, operation: await requestVerification(trx, integration) };
}

/**
 * Returns the problem for a registry that exists already. It contains the id if the caller can read the integration.
 */
export async function existing(
  { trx, tenant }: Pick<WriteRequest, 'trx' | 'tenant'>,
  { orgId, projectId }: Owner,
  identityKey: string,
): Promise<Problem> {
  const other = await integrationsFor(trx, tenant).findByIdentity(projectId ?? orgId, identityKey);
  return new Problem('integration_exists', 'Use the existing integration.', {
    members: { integration_id: other?.id ?? null },
  });
}

/**
 * Requires a cloud account of the same organization and of no other project. An account that is being deleted does not
 * count.
 */
async function requireCloudAccount(
  { trx, tenant }: Pick<WriteRequest, 'trx' | 'tenant'>,
  { orgId, projectId }: Owner,
  { provider, cloud_account_id: wanted }: z.output<typeof NewCloudRegistry>,
): Promise<void> {
  const account = await cloudAccountsFor(trx, tenant).take(wanted);
  const fits = account?.orgId === orgId && (account.projectId === null || account.projectId === projectId);
  if (fits && account.kind === clouds[provider]) return;
  const advice = `Send the id of a cloud account of ${clouds[provider]} that the registry can inherit from.`;
  throw new Problem('cloud_account_missing', advice);
}
