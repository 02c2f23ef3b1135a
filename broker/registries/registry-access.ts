import type { CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import type { RegistryCredential, RegistryPurpose } from '../../domain/registries/registry-purposes.ts';
import { createMintBudget } from '../mint-budget.ts';
import { type Opened, type RegistryAccessDeps, registryOpener } from './opened-registry.ts';
import { registryVerifier } from './registry-verifier.ts';

export type CredentialWish = {
  projectId?: string;
  purpose: RegistryPurpose;
  repositories: string[];
  /** A token that the registry itself issues. */
  bearer: boolean;
  minTtlMs?: number;
};
/** The access modes that use this instance's own identity, which all organizations share. */
const sharedModes: readonly string[] = ['assume_role', 'ambient'];

/**
 * The clients of registries, for integrations. Secrets are opened here, for one call. Each method throws a
 * `ProviderError`.
 */
export function createRegistryAccess(deps: RegistryAccessDeps) {
  const { clouds, aws, gcp, azure, budget = createMintBudget() } = deps;
  const { open, loginOf, registryOf } = registryOpener(deps);

  async function ofPassword(opened: Opened, wish: CredentialWish): Promise<RegistryCredential> {
    const login = await loginOf(opened);
    const { registry: host } = opened.settings;
    if (wish.bearer) {
      const { repositories, purpose } = wish;
      const minted = await registryOf(opened).mintBearer({ login, repositories, purpose });
      const { token, expiresAt, effective } = minted;
      return { host, username: login.username, password: token, bearer: token, expiresAt, effective };
    }
    const note = 'The stored password itself: it has all permissions of its user, and lives until it is replaced.';
    const effective = { repositories: '*' as const, actions: [...bothActions], narrowedTo: 'identity' as const, note };
    return { host, username: login.username, password: login.password, expiresAt: null, effective };
  }

  async function ofCloud(account: CloudAccount, opened: Opened, wish: CredentialWish): Promise<RegistryCredential> {
    const { integration, settings } = opened;
    const { projectId = integration.projectId } = wish;
    const use = { projectId, integrationId: integration.id };
    const { repositories, purpose, minTtlMs = 0 } = wish;
    // A push also pulls: layers that already exist, and the pushed manifest.
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
      const { account } = opened;
      if (!account) return ofPassword(opened, wish);
      const { kind, authMode, orgId } = account;
      const ownedBy = sharedModes.includes(authMode) ? null : orgId;
      budget({ id: kind, orgId: ownedBy, provider: kind }, orgId);
      return ofCloud(account, opened, wish);
    },

    /** Tries out the stored credential. A rejection by the registry is a result and not an error. */
    verify: registryVerifier(deps),
  };
}

const bothActions = ['pull', 'push'] as const;

export type RegistryAccess = ReturnType<typeof createRegistryAccess>;
