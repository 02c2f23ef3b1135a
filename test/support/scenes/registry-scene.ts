import { allCloudAccounts, type NewCloudAccount } from '../../../db/clouds/cloud-accounts.ts';
import { sealedSecrets } from '../../../db/secrets/sealed-secrets.ts';
import { registryPasswordKind } from '../../../domain/registries/registry-settings.ts';
import type { TestDatabase } from '../database.ts';
import { type Outside, openOutside } from '../fakes/registries.ts';
import { keyring } from '../hooks.ts';
import { seed } from './seed.ts';
import { addOrg, addProject } from './tenants.ts';

/** Opens the registry exchange of the product with the addresses of a test, and adds projects that use it. */
export function registryScene(database: TestDatabase, outside: Outside) {
  const { issuer, imageCredentials } = openOutside(database, outside);

  async function owner() {
    const orgId = await addOrg(database);
    return { orgId, projectId: await addProject(database, orgId) };
  }

  return {
    issuer,
    imageCredentials,

    /** A project with a registry that inherits the access of a cloud account. */
    async project(
      kind: 'ecr' | 'gar' | 'acr',
      host: string,
      account: Pick<NewCloudAccount, 'kind' | 'authMode' | 'config'>,
    ) {
      const { orgId, projectId } = await owner();
      const accountId = await database.write(async (trx) => {
        const named = { orgId, projectId, displayName: host, createdBy: 'system' };
        const { id } = await allCloudAccounts(trx).insert({ ...named, ...account });
        // Without a worker, no verification makes the account active. The tests in test/flows run one.
        await trx('cloud_accounts').where({ id }).update({ status: 'active' });
        return id;
      });
      const integrationId = await seed(database).registry(
        { orgId, projectId },
        {
          kind,
          host_url: `https://${host}`,
          auth_mode: 'cloud_account',
          cloud_account_id: accountId,
          settings: JSON.stringify({ registry: host }),
        },
      );
      return { orgId, projectId, accountId, integrationId };
    },

    /** A project with a registry that accepts this user name and password. */
    async withPassword(url: string, { username, password }: { username: string; password: string }) {
      const where = await owner();
      const { host: registry } = new URL(url);
      const settings = JSON.stringify({ registry, username });
      const integrationId = await seed(database).registry(where, { kind: 'oci', host_url: url, settings });
      await database.write((trx) =>
        sealedSecrets(trx, keyring).put({ integrationId }, where.orgId, registryPasswordKind, password),
      );
      return { ...where, integrationId };
    },
  };
}

export type RegistryScene = ReturnType<typeof registryScene>;
export type RegistryProject = Awaited<ReturnType<RegistryScene['project']>>;
