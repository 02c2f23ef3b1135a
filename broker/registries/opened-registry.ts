import { allCloudAccounts, type CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import { allIntegrations, type Integration } from '../../db/integrations/integrations.ts';
import { type RegistryLogin, registryLogins } from '../../db/registries/registry-logins.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import type { RegistrySettings } from '../../domain/registries/registry-settings.ts';
import type { Aws } from '../../providers/clouds/aws/aws.ts';
import type { Azure } from '../../providers/clouds/azure/azure.ts';
import type { Gcp } from '../../providers/clouds/gcp/gcp.ts';
import { ProviderError } from '../../providers/failure.ts';
import { createRegistry } from '../../providers/registries/registry.ts';
import type { FetchWithCa } from '../../providers/registries/wire.ts';
import type { CloudAccess } from '../clouds/clouds.ts';
import type { MintBudget } from '../mint-budget.ts';

export type OpenerDeps = { database: Database; keyring: Keyring; fetch: FetchWithCa };

/** The integration of a registry, with the cloud account whose access it inherits. */
export type Opened = { integration: Integration; settings: RegistrySettings; account: CloudAccount | undefined };

/** Opens what is stored for a registry, for one use. Each method throws a `ProviderError` if it is missing. */
export function registryOpener({ database, keyring, fetch }: OpenerDeps) {
  return {
    async open(integrationId: string): Promise<Opened> {
      const integration = await allIntegrations(database.reader).find(integrationId);
      if (!integration) throw gone('There is no such integration any more');
      const settings = integration.settings as RegistrySettings;
      const { cloudAccountId } = integration;
      if (cloudAccountId === null) return { integration, settings, account: undefined };
      const account = await allCloudAccounts(database.reader).find(cloudAccountId);
      if (!account) throw gone('Its cloud account is gone');
      return { integration, settings, account };
    },

    async loginOf({ integration }: Opened): Promise<RegistryLogin> {
      const login = await registryLogins(database.reader, keyring).find(integration, 'active');
      if (login) return login;
      throw new ProviderError({
        provider: 'registry',
        code: 'credentials_missing',
        message: `${integration.displayName} has no password here: store it again`,
      });
    },

    /** Opens a login that is not in use: the pending or the previous one. */
    inactiveLoginOf: ({ integration }: Opened, status: 'pending' | 'retiring'): Promise<RegistryLogin | undefined> =>
      registryLogins(database.reader, keyring).find(integration, status),

    registryOf({ integration, settings }: Opened, signal?: AbortSignal) {
      const { realm, ca_pem: ca } = settings;
      // Compares the whole origin: the operator may have allowed plain HTTP for it.
      const registry = integration.hostUrl;
      return createRegistry({ registry, pinnedRealm: realm, ca, fetch, ...(signal && { signal }) });
    },
  };
}

function gone(message: string): ProviderError {
  return new ProviderError({ provider: 'registry', code: 'gone', message });
}

export type RegistryAccessDeps = OpenerDeps & {
  clouds: CloudAccess;
  aws: Pick<Aws, 'identity' | 'ecrCredential'>;
  gcp: Pick<Gcp, 'garCredential' | 'proveAccess' | 'testPermissions'>;
  azure: Pick<Azure, 'acrCredential' | 'testPermissions'>;
  budget?: MintBudget;
};
