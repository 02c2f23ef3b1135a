import { createRegistryAccess, type RegistryAccessDeps } from '../../broker/registries/registry-access.ts';
import type { Database } from '../../db/connection.ts';
import { registryFetch } from '../../providers/registries/wire.ts';
import { keyring } from './hooks.ts';

/** For tests in which no registry is asked. */
export const noRegistries = {
  async verify(): Promise<never> {
    throw new Error('No registry is asked in this test');
  },
};

/** The access to registries as it runs, to those at these origins; without clouds unless some are given. */
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
