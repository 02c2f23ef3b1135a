import type { Config } from '../config.ts';
import type { Store } from '../db/store/open-store.ts';
import type { AllowedHost } from '../domain/connect/allowed-hosts.ts';
import { type AwsOptions, createAws } from '../providers/clouds/aws/aws.ts';
import { machineIdentity } from '../providers/clouds/aws/aws-machine.ts';
import { type AzureDeps, createAzure } from '../providers/clouds/azure/azure.ts';
import { createGcp, type GcpDeps } from '../providers/clouds/gcp/gcp.ts';
import { createGuardedFetch } from '../providers/egress/guarded-fetch.ts';
import { type FetchWithCa, registryFetch } from '../providers/registries/wire.ts';
import { createCloudAccounts } from './clouds/cloud-accounts.ts';
import { createCloudAccess } from './clouds/clouds.ts';
import { createConsents } from './clouds/google-consent.ts';
import type { OidcIssuer } from './clouds/oidc-issuer.ts';
import { createImageCredentials } from './exchange/image-credentials.ts';
import { createRegistryAccess } from './registries/registry-access.ts';

/** The limits of one call to a cloud. */
const limits = { timeoutMs: 10_000, maxBytes: 1024 * 1024 };

/** Lets tests replace the addresses of the clouds and of their registries. */
export type Elsewhere = {
  aws?: Pick<AwsOptions, 'endpoints' | 'ambient'>;
  gcp?: GcpDeps['endpoints'];
  azure?: AzureDeps['endpoints'];
  /** The fetch for registries. A registry's host decides its cloud, so a test cannot use the address of a stand-in. */
  registries?: FetchWithCa;
  /** The timeout of one call to a cloud. */
  timeoutMs?: number;
};

/** Opens everything that calls registries, and the clouds whose access they inherit. */
export function openRegistries(
  config: Pick<Config, 'caFile' | 'clouds' | 'publicUrl'> & Partial<Pick<Config, 'proxy'>>,
  { database, keyring }: Pick<Store, 'database' | 'keyring'>,
  { issuer, allowedHosts }: { issuer: Pick<OidcIssuer, 'token'>; allowedHosts: AllowedHost[] },
  elsewhere: Elsewhere = {},
) {
  const { proxy } = config;
  const trust = { allowedHosts, proxy, ...(config.caFile !== undefined && { caFile: config.caFile }) };
  const { timeoutMs = limits.timeoutMs } = elsewhere;
  const fetch = createGuardedFetch({ ...trust, ...limits, timeoutMs });
  const cloudDeps = { fetch, timeoutMs, now: () => Date.now() };
  const googleDeps = { ...cloudDeps, ...(elsewhere.gcp && { endpoints: elsewhere.gcp }) };
  const { google, awsIdentity } = config.clouds;
  const clouds = createCloudAccess({ database, keyring, issuer, google });
  const providers = {
    aws: createAws({
      timeoutMs,
      proxy,
      ...(config.caFile !== undefined && { caFile: config.caFile }),
      ...(awsIdentity !== 'none' && { ambient: machineIdentity(config.caFile, proxy), lend: awsIdentity === 'lend' }),
      ...elsewhere.aws,
    }),
    gcp: createGcp(googleDeps),
    azure: createAzure({ ...cloudDeps, ...(elsewhere.azure && { endpoints: elsewhere.azure }) }),
  };
  const registries = elsewhere.registries ?? registryFetch(trust);
  const access = createRegistryAccess({ database, keyring, clouds, ...providers, fetch: registries });
  return {
    registryAccess: access,
    imageCredentials: createImageCredentials({ database, keyring, access }),
    cloudAccounts: createCloudAccounts({ clouds, ...providers, awsIdentity }),
    googleConsents: createConsents({ ...googleDeps, google, publicUrl: config.publicUrl }),
  };
}
