import { createOidcIssuer } from '../../../broker/clouds/oidc-issuer.ts';
import { openRegistries } from '../../../broker/open-registries.ts';
import type { RegistryAccessDeps } from '../../../broker/registries/opened-registry.ts';
import { createRegistryAccess } from '../../../broker/registries/registry-access.ts';
import type { Database } from '../../../db/store/connection.ts';
import { registryFetch } from '../../../providers/registries/wire.ts';
import { publicUrl } from '../api.ts';
import { keyring } from '../hooks.ts';
import { loopbackCaFile } from '../programs/cloud-tls.ts';
import { type Clouds, googleClient, unreachableClouds } from './clouds.ts';

export type Outside = {
  /** The origins of internal registries that the test allows. */
  registries?: string[];
  clouds?: Pick<Clouds, 'allowedHosts' | 'elsewhere'>;
};

/** For tests without a registry. A call to one is a mistake, and must not leave this machine. */
const noRegistry = () => async () => {
  throw new Error('No registry is asked in this test');
};

/** Opens the product's access to registries and clouds. It reaches only the given ones. */
export function openOutside(database: Database, { registries = [], clouds }: Outside = {}) {
  const issuer = createOidcIssuer({ database, keyring, publicUrl });
  const allowedHosts = [...registries.map((origin) => ({ origin })), ...(clouds?.allowedHosts ?? [])];
  const opened = openRegistries(
    { clouds: { awsIdentity: 'assume', google: googleClient }, caFile: loopbackCaFile, publicUrl },
    { database, keyring },
    { issuer, allowedHosts },
    clouds?.elsewhere ?? { ...unreachableClouds, ...(registries.length === 0 && { registries: noRegistry }) },
  );
  return { issuer, allowedHosts, ...opened };
}

/** The product's access to the registries at these origins. Without clouds, unless some are given. */
export function registriesAt(
  database: Database,
  origins: string[],
  clouds: Partial<Pick<RegistryAccessDeps, 'clouds' | 'aws' | 'gcp' | 'azure' | 'fetch'>> = {},
) {
  const fetch = registryFetch({ allowedHosts: origins.map((origin) => ({ origin })), timeoutMs: 2_000 });
  const absent = { clouds: undefined, aws: undefined, gcp: undefined, azure: undefined } as unknown as Pick<
    RegistryAccessDeps,
    'clouds' | 'aws' | 'gcp' | 'azure'
  >;
  return createRegistryAccess({ database, keyring, fetch, ...absent, ...clouds });
}
