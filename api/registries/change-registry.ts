import { z } from 'zod';
import { type Integration, integrationsFor, type RegistryChanges } from '../../db/integrations/integrations.ts';
import type { Operation } from '../../db/ops/operations.ts';
import { requestVerification } from '../../db/registries/registry-verifications.ts';
import { sealedSecrets } from '../../db/secrets/sealed-secrets.ts';
import { registryHost } from '../../domain/registries/registry-hosts.ts';
import {
  type RegistrySettings,
  registryIdentity,
  registryPasswordKind,
} from '../../domain/registries/registry-settings.ts';
import type { ApiDeps } from '../http/deps.ts';
import type { WriteRequest } from '../http/endpoint.ts';
import { Problem } from '../http/problems.ts';
import { existing } from './create-registry.ts';
import {
  caPem,
  expiresAt,
  NewCredentials,
  realm,
  refuseCredentials,
  refuseShortLived,
  refuseUnreachableRealm,
  repositories,
  repositoriesOf,
} from './registry-input.ts';
import { isRegistry } from './registry-view.ts';

/** The fields of a registry that can change. Its address and kind cannot. */
export const registryChanges = {
  credentials: NewCredentials.describe(
    'Replaces the password or access token. The user name does not change if you omit it. The old secret is kept for an hour as `retiring` and is no longer issued',
  ),
  repositories,
  realm: realm.nullable(),
  ca_pem: caPem.nullable(),
  expires_at: expiresAt.nullable(),
};

const Changes = z.object(registryChanges).partial();
type Changes = z.output<typeof Changes>;
const fields = Object.keys(registryChanges) as (keyof Changes)[];

/** Refuses a field that an integration of this kind does not have. */
export function requireChangeable({ kind, authMode }: Integration, changes: Changes): void {
  const asked = fields.filter((field) => changes[field] !== undefined);
  if (asked.includes('credentials') && authMode === 'cloud_account') refuseCredentials(kind);
  const isOwn = (field: keyof Changes) => {
    if (field === 'repositories') return isRegistry({ kind });
    if (field === 'realm' || field === 'ca_pem') return kind === 'oci';
    return isRegistry({ kind }) && authMode === 'basic';
  };
  const strange = asked.filter((field) => !isOwn(field));
  if (strange.length === 0) return;
  const rotate = strange.includes('credentials')
    ? ' Use `POST /v1/integrations/{integration}/credentials/rotate`.'
    : '';
  const names = strange.map((field) => `\`${field}\``).join(', ');
  throw new Problem('provider_not_supported', `You cannot set ${names} for an integration of \`${kind}\`.${rotate}`);
}

/**
 * Returns the changes to store. A new credential is active from the commit on. After that, nobody gets a credential
 * that was made with the old one.
 */
export async function changeRegistry(
  { trx, tenant }: Pick<WriteRequest, 'trx' | 'tenant'>,
  { keyring, connect }: Pick<ApiDeps, 'keyring' | 'connect'>,
  { integration, changes }: { integration: Integration; changes: Changes },
): Promise<RegistryChanges> {
  const before = integration.settings as RegistrySettings;
  const { credentials, realm: nextRealm, ca_pem: nextCa, repositories: nextNames, expires_at: nextEnd } = changes;
  const { realm: pinned, ca_pem: ca, asked_realm: asked, ...kept } = before;
  if (nextRealm) refuseUnreachableRealm(nextRealm, integration.hostUrl, connect.allowedHosts);
  const host = registryHost(integration.hostUrl);
  const agreed = nextRealm === undefined ? pinned : (nextRealm ?? undefined);
  const trusted = nextCa === undefined ? ca : (nextCa ?? undefined);
  const username = credentials?.username ?? before.username;
  const settings: RegistrySettings = {
    ...kept,
    ...(username !== undefined && { username }),
    ...(agreed !== undefined && { realm: agreed }),
    ...(nextRealm === undefined && asked !== undefined && { asked_realm: asked }),
    ...(trusted !== undefined && { ca_pem: trusted }),
    ...(nextNames && host && { repositories: repositoriesOf(host, nextNames) }),
  };
  const isReplaced =
    credentials !== undefined &&
    (await replace({ trx, tenant }, { keyring }, integration, { ...credentials, username: username ?? '' }));
  const identityKey = registryIdentity(before.registry, { username: username ?? '' });
  // The expiry date belonged to the old credential.
  const end = nextEnd === undefined && isReplaced ? null : nextEnd;
  return {
    settings,
    ...(username !== before.username && { identityKey }),
    ...(end !== undefined && { expiresAt: end === null ? null : end * 1000 }),
    cutsOff: isReplaced || username !== before.username || agreed !== pinned || trusted !== ca,
  };
}

/** Stores the credential, and returns whether it differs from the old one. */
async function replace(
  { trx, tenant }: Pick<WriteRequest, 'trx' | 'tenant'>,
  { keyring }: Pick<ApiDeps, 'keyring'>,
  { id, orgId, projectId, settings }: Integration,
  login: { username: string; password: string },
): Promise<boolean> {
  refuseShortLived(login);
  const { registry, username } = settings as RegistrySettings;
  if (login.username !== username) {
    const identityKey = registryIdentity(registry, login);
    const other = await integrationsFor(trx, tenant).findByIdentity(projectId ?? orgId, identityKey);
    if (other && other.id !== id) throw await existing({ trx, tenant }, { orgId, projectId }, identityKey);
  }
  return sealedSecrets(trx, keyring).put({ integrationId: id }, orgId, registryPasswordKind, login.password);
}

/** Starts a verification if a change can affect whether the registry works. */
export async function verifyAfter(
  trx: WriteRequest['trx'],
  integration: Integration,
  changes: Changes,
): Promise<Operation | undefined> {
  const matters = ['credentials', 'repositories', 'realm', 'ca_pem'] as const;
  if (!matters.some((field) => changes[field] !== undefined)) return undefined;
  return requestVerification(trx, integration);
}
