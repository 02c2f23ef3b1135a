import { type CloudAccount, cloudAccountsIn } from '../../db/cloud-accounts.ts';
import type { Database } from '../../db/connection.ts';
import { type Integration, integrationsIn } from '../../db/integrations.ts';
import { sealedSecrets } from '../../db/sealed-secrets.ts';
import type { Keyring } from '../../db/sealing.ts';
import { everything } from '../../db/tenant.ts';
import type { RegistryCredential, RegistryPurpose } from '../../domain/registry-purposes.ts';
import { type RegistrySettings, registryPasswordKind } from '../../domain/registry-settings.ts';
import type { Aws } from '../../providers/clouds/aws.ts';
import type { Azure } from '../../providers/clouds/azure.ts';
import type { Gcp } from '../../providers/clouds/gcp.ts';
import { ProviderError } from '../../providers/http.ts';
import { createRegistry } from '../../providers/registries/registry.ts';
import type { FetchWithCa } from '../../providers/registries/wire.ts';
import type { CloudAccess } from '../clouds.ts';

export type CredentialWish = {
  projectId?: string;
  purpose: RegistryPurpose;
  repositories: string[];
  /** A token of the registry's own. */
  bearer: boolean;
  minTtlMs?: number;
};

export type RegistryAccessDeps = {
  database: Database;
  keyring: Keyring;
  clouds: CloudAccess;
  aws: Aws;
  gcp: Gcp;
  azure: Azure;
  fetch: FetchWithCa;
};

/** The providers of registries, for integrations. Secrets are opened here, for one call. All throw `ProviderError`. */
export function createRegistryAccess(deps: RegistryAccessDeps) {
  const { database, keyring, clouds, aws, gcp, azure } = deps;

  async function open(integrationId: string): Promise<Opened> {
    const integration = await integrationsIn(database.reader, everything).find(integrationId);
    if (!integration) throw gone('There is no such integration any more');
    const settings = integration.settings as RegistrySettings;
    const { cloudAccountId } = integration;
    if (cloudAccountId === null) return { integration, settings, account: undefined };
    const account = await cloudAccountsIn(database.reader, everything).find(cloudAccountId);
    if (!account) throw gone('Its cloud account is gone');
    return { integration, settings, account };
  }

  async function loginOf({ integration, settings }: Opened): Promise<{ username: string; password: string }> {
    const secrets = sealedSecrets(database.reader, keyring);
    const password = await secrets.active({ integrationId: integration.id }, registryPasswordKind);
    if (password === undefined || settings.username === undefined) {
      throw new ProviderError({
        provider: 'registry',
        code: 'credentials_missing',
        message: `${integration.displayName} has no password here: store it again`,
      });
    }
    return { username: settings.username, password };
  }

  function registryOf({ settings }: Opened) {
    const { registry, realm, ca_pem: ca } = settings;
    return createRegistry({ registry, pinnedRealm: realm, ca, fetch: deps.fetch });
  }

  async function ofPassword(opened: Opened, wish: CredentialWish): Promise<RegistryCredential> {
    const login = await loginOf(opened);
    const { registry: host } = opened.settings;
    if (wish.bearer) {
      const { repositories, purpose } = wish;
      const minted = await registryOf(opened).mintBearer({ login, repositories, purpose });
      const { token, expiresAt, effective } = minted;
      return { host, username: login.username, password: token, bearer: token, expiresAt, effective };
    }
    const note = 'The stored password itself: it may do whatever its user may, and lives until it is replaced.';
    const effective = { repositories: '*' as const, actions: [...bothActions], narrowedTo: 'identity' as const, note };
    return { host, ...login, expiresAt: null, effective };
  }

  async function ofCloud(account: CloudAccount, opened: Opened, wish: CredentialWish): Promise<RegistryCredential> {
    const { integration, settings } = opened;
    const { projectId = integration.projectId } = wish;
    const use = { projectId, integrationId: integration.id };
    const { repositories, purpose, minTtlMs = 0 } = wish;
    // Who pushes pulls as well: layers that are there already, and the manifest it has pushed.
    const actions: RegistryPurpose[] = purpose === 'push' ? [...bothActions] : ['pull'];
    const wanted = { host: settings.registry, actions, ...(repositories.length > 0 && { repositories }) };
    switch (account.kind) {
      case 'aws': {
        const least = minTtlMs > 0 ? { minTtlMs } : {};
        return aws.ecrCredential({ access: await clouds.aws(account, use), ...wanted, ...least });
      }
      case 'gcp':
        return gcp.garCredential(await clouds.gcp(account, use), { ...wanted, minTtlMs });
      case 'azure':
        return azure.acrCredential(await clouds.azure(account, use), { ...wanted, minTtlMs });
    }
  }

  return {
    async credential(integrationId: string, wish: CredentialWish): Promise<RegistryCredential> {
      const opened = await open(integrationId);
      return opened.account ? ofCloud(opened.account, opened, wish) : ofPassword(opened, wish);
    },
  };
}

type Opened = { integration: Integration; settings: RegistrySettings; account: CloudAccount | undefined };

const bothActions = ['pull', 'push'] as const;

function gone(message: string): ProviderError {
  return new ProviderError({ provider: 'registry', code: 'gone', message });
}

export type RegistryAccess = ReturnType<typeof createRegistryAccess>;
