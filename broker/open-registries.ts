import type { Config } from '../config.ts';
import type { Store } from '../db/open-store.ts';
import type { AllowedHost } from '../domain/allowed-hosts.ts';
import { createAws } from '../providers/clouds/aws.ts';
import { machineIdentity } from '../providers/clouds/aws-machine.ts';
import { createAzure } from '../providers/clouds/azure.ts';
import { createGcp } from '../providers/clouds/gcp.ts';
import { createGuardedFetch } from '../providers/http.ts';
import { registryFetch } from '../providers/registries/wire.ts';
import { createCloudAccounts } from './cloud-accounts.ts';
import { createCloudAccess } from './clouds.ts';
import { createConsents } from './google-consent.ts';
import type { OidcIssuer } from './oidc-issuer.ts';
import { createRegistryAccess } from './registries/registry-access.ts';
import { createRegistryExchange } from './registries/registry-exchange.ts';

/** Of one call of a cloud. */
const limits = { timeoutMs: 10_000, maxBytes: 1024 * 1024 };

/** All that speaks to registries, and to the clouds whose access they inherit. */
export function openRegistries(
  config: Config,
  { database, keyring }: Pick<Store, 'database' | 'keyring'>,
  { issuer, allowedHosts }: { issuer: OidcIssuer; allowedHosts: AllowedHost[] },
) {
  const trust = { allowedHosts, ...(config.caFile !== undefined && { caFile: config.caFile }) };
  const fetch = createGuardedFetch({ ...trust, ...limits });
  const cloudDeps = { fetch, timeoutMs: limits.timeoutMs, now: () => Date.now() };
  const { google, awsIdentity } = config.clouds;
  const clouds = createCloudAccess({ database, keyring, issuer, google });
  const providers = {
    aws: createAws(awsIdentity === 'none' ? {} : { ambient: machineIdentity(), lend: awsIdentity === 'lend' }),
    gcp: createGcp(cloudDeps),
    azure: createAzure(cloudDeps),
  };
  const access = createRegistryAccess({ database, keyring, clouds, ...providers, fetch: registryFetch(trust) });
  return {
    registryAccess: access,
    registryExchange: createRegistryExchange({ database, keyring, access }),
    cloudAccounts: createCloudAccounts({ clouds, ...providers, awsIdentity }),
    googleConsents: createConsents({ ...cloudDeps, google, publicUrl: config.publicUrl }),
  };
}
