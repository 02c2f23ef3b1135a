import { z } from 'zod';
import { type Integration, integrationsFor, type RegistryChanges } from '../../db/integrations/integrations.ts';
import type { Operation } from '../../db/ops/operations.ts';
import { registryLogins } from '../../db/registries/registry-logins.ts';
import { requestVerification } from '../../db/registries/registry-verifications.ts';
import { registryHost } from '../../domain/registries/registry-hosts.ts';
import { type RegistrySettings, registryIdentity } from '../../domain/registries/registry-settings.ts';
import type { ApiDeps } from '../http/deps.ts';
import type { WriteRequest } from '../http/endpoint.ts';
import { expiresAt } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { existing } from './create-registry.ts';
import {
  caPem,
  NewCredentials,
  purposes,
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
    'Replaces the password or access token. The user name does not change if you omit it. The new login is `pending` until the registry accepts it; until then, the old one stays in use. If the registry rejects it, nothing changes and the operation fails. Afterwards the old login is kept for a day as `retiring`, and you can roll back to it',
  ),
  repositories,
  purposes,
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
    if (field === 'repositories' || field === 'purposes') return isRegistry({ kind });
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
 * Returns the changes to store. A new login is used only once the registry accepts it, so a wrong password never ends a
 * working connection. If the change affects where the login can be sent, Fairlead no longer returns credentials that
 * were made before.
 */
export async function changeRegistry(
  { trx, tenant }: Pick<WriteRequest, 'trx' | 'tenant'>,
  { keyring, connect }: Pick<ApiDeps, 'keyring' | 'connect'>,
  { integration, changes }: { integration: Integration; changes: Changes },
): Promise<RegistryChanges> {
  const before = integration.settings as RegistrySettings;
  const { credentials, realm: nextRealm, ca_pem: nextCa, repositories: nextNames, expires_at: end } = changes;
  const { realm: pinned, ca_pem: ca, asked_realm: asked, ...kept } = before;
  if (nextRealm) refuseUnreachableRealm(nextRealm, integration.hostUrl, connect.allowedHosts);
  const host = registryHost(integration.hostUrl);
  const agreed = nextRealm === undefined ? pinned : (nextRealm ?? undefined);
  const trusted = nextCa === undefined ? ca : (nextCa ?? undefined);
  const expiresAt = typeof end === 'number' ? end * 1000 : null;
  const username = credentials?.username ?? before.username ?? '';
  const offered =
    credentials && (await offer({ trx, tenant }, keyring, integration, { ...credentials, username, expiresAt }));
  const isActive = offered === 'active';
  const settings: RegistrySettings = {
    ...kept,
    ...(isActive && { username }),
    ...(agreed !== undefined && { realm: agreed }),
    ...(nextRealm === undefined && asked !== undefined && { asked_realm: asked }),
    ...(trusted !== undefined && { ca_pem: trusted }),
    ...(nextNames && host && { repositories: repositoriesOf(host, nextNames) }),
    ...(changes.purposes && { purposes: changes.purposes }),
  };
  return {
    settings,
    ...(isActive && { identityKey: registryIdentity(before.registry, { username }) }),
    // The expiry date of a pending login is stored with it.
    ...((isActive || (end !== undefined && offered !== 'pending')) && { expiresAt }),
    cutsOff: isActive || agreed !== pinned || trusted !== ca,
  };
}

/** Stores the new login. Returns whether it is pending, active at once, or already in use. */
async function offer(
  { trx, tenant }: Pick<WriteRequest, 'trx' | 'tenant'>,
  keyring: ApiDeps['keyring'],
  integration: Integration,
  login: { username: string; password: string; expiresAt: number | null },
): Promise<'pending' | 'active' | 'same'> {
  refuseShortLived(login);
  const { id, orgId, projectId, settings } = integration;
  const { registry, username } = settings as RegistrySettings;
  if (login.username !== username) {
    const identityKey = registryIdentity(registry, login);
    const other = await integrationsFor(trx, tenant).findByIdentity(projectId ?? orgId, identityKey);
    if (other && other.id !== id) throw await existing({ trx, tenant }, { orgId, projectId }, identityKey);
  }
  return registryLogins(trx, keyring).offer(integration, login);
}

/** Starts a verification if a change can affect whether the registry works. */
export async function verifyAfter(
  trx: WriteRequest['trx'],
  integration: Integration,
  changes: Changes,
): Promise<Operation | undefined> {
  const matters = ['credentials', 'repositories', 'purposes', 'realm', 'ca_pem'] as const;
  if (!matters.some((field) => changes[field] !== undefined)) return undefined;
  return requestVerification(trx, integration);
}
