import type { CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import type { RegistryLogin } from '../../db/registries/registry-logins.ts';
import type { Found as RegistryFound } from '../../db/registries/registry-verifications.ts';
import { registryHost } from '../../domain/registries/registry-hosts.ts';
import {
  type RegistryPurpose,
  type RepositoryCheck,
  registryPurposes,
} from '../../domain/registries/registry-purposes.ts';
import { purposesOf } from '../../domain/registries/registry-settings.ts';
import { troubleOf } from '../../domain/registries/registry-verdicts.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { Proof, Verification } from '../../providers/registries/verification.ts';
import { type Opened, type RegistryAccessDeps, registryOpener } from './opened-registry.ts';

type Patience = {
  signal?: AbortSignal;
  /** Whether a missing answer counts as a result. Otherwise it is thrown, so that the check is repeated. */
  isLast?: boolean;
  /** Whether a rejection of a credential that is seconds old is final. */
  isSettled?: boolean;
};

/** What the checks themselves find. */
type Found = Omit<RegistryFound, 'epoch' | 'cloudEpoch' | 'repositories' | 'purposes'>;

/**
 * Verifies a registry's integration: first the login, then pull and push for each repository. Leaves no trace there. If
 * the registry or cloud does not respond, throws a `ProviderError` and changes nothing.
 */
export function registryVerifier(deps: RegistryAccessDeps) {
  const { clouds, aws, gcp, azure } = deps;
  const { open, loginOf, inactiveLoginOf, registryOf } = registryOpener(deps);

  /**
   * Checks a new login if there is one, and the active login otherwise. If the registry refuses the active one, the
   * previous login may still work.
   */
  async function withPassword(
    opened: Opened,
    {
      repositories,
      signal,
      isSettled,
    }: { repositories: string[]; signal: AbortSignal | undefined; isSettled: boolean },
  ): Promise<Found> {
    const purposes = purposesOf(opened.settings);
    async function check({ version, ...login }: RegistryLogin): Promise<Found> {
      const verified = registryOf(opened, signal).verify({ login, repositories, purposes }).then(toFound);
      return { ...(await verified.catch((error: unknown) => refusalIn(error, isSettled))), version };
    }
    const offered = await inactiveLoginOf(opened, 'pending');
    if (offered) return check(offered);
    const found = await check(await loginOf(opened));
    if (found.login.ok || troubleOf(found.login.code) !== 'refused') return found;
    const { code, message } = found.login;
    // If the previous login does not open, or the registry does not respond, the refusal of the active one counts.
    const previous = await inactiveLoginOf(opened, 'retiring')
      .then((one) => one && check(one))
      .catch(() => undefined);
    return previous?.login.ok ? { ...previous, refused: { code, message } } : found;
  }

  async function withCloud(
    account: CloudAccount,
    opened: Opened,
    { repositories, signal }: { repositories: string[]; signal?: AbortSignal | undefined },
  ): Promise<Found> {
    const { integration, settings } = opened;
    const use = { projectId: integration.projectId, integrationId: integration.id };
    const host = settings.registry;
    const purposes = purposesOf(settings);
    const wanted = { host, actions: purposes, ...(signal && { signal }) };
    /**
     * If the cloud itself says what is allowed, the cloud is asked for it. Its registry is only asked whether the login
     * works.
     */
    const letsIn = async (login: { username: string; password: string }, checked: string[]) =>
      toFound(await registryOf(opened, signal).verify({ login, repositories: checked, purposes }));
    switch (account.kind) {
      case 'aws': {
        const access = await clouds.aws(account, use);
        const at = registryHost(host);
        await aws.identity(access, { ...(at?.kind === 'ecr' && { region: at.region }), ...(signal && { signal }) });
        const narrowed = repositories.length > 0 ? { repositories } : {};
        return letsIn(await aws.ecrCredential({ access, ...wanted, ...narrowed }), repositories);
      }
      case 'gcp': {
        const access = await clouds.gcp(account, use);
        // A registry that other tenants of this Fairlead could reach as well proves nothing.
        await gcp.proveAccess(access, signal);
        const found = await letsIn(await gcp.garCredential(access, { ...wanted, minTtlMs: 0 }), []);
        return {
          ...found,
          checks: found.login.ok ? await gcp.testPermissions(access, { ...wanted, repositories }) : [],
        };
      }
      case 'azure': {
        const access = await clouds.azure(account, use);
        const found = await letsIn(await azure.acrCredential(access, { ...wanted, minTtlMs: 0 }), []);
        const checks = found.login.ok ? await azure.testPermissions(access, { ...wanted, repositories }) : [];
        return { ...found, checks };
      }
    }
  }

  return async (integrationId: string, { signal, isLast = true, isSettled = true }: Patience = {}) => {
    const opened = await open(integrationId);
    const { epoch } = opened.integration;
    const repositories = opened.settings.repositories ?? [];
    const found = await (opened.account
      ? withCloud(opened.account, opened, { repositories, signal })
      : withPassword(opened, { repositories, signal, isSettled })
    ).catch((error: unknown) => refusalIn(error, isSettled));
    const { login, checks } = found;
    if (!login.ok && isSilent(login.code)) throw silence(login);
    const silent = checks.find(({ outcome, code = '' }) => outcome === 'unproven' && isSilent(code));
    if (silent && !isLast) throw silence({ code: silent.code ?? '', message: 'The registry stopped answering' });
    const cloudEpoch = opened.account?.epoch ?? null;
    const purposes = purposesOf(opened.settings);
    return { ...found, epoch, cloudEpoch, repositories, purposes } satisfies RegistryFound;
  };
}

/** A final rejection is a result. Every other failure may pass. */
function refusalIn(error: unknown, isSettled: boolean): Found {
  if (!(error instanceof ProviderError)) throw error;
  const { code, message, settling } = error;
  if (isSilent(code) || (settling && !isSettled)) throw error;
  return { login: { ok: false, code, message }, checks: [], realm: undefined, version: null };
}

function isSilent(code: string): boolean {
  const trouble = troubleOf(code);
  return trouble === 'outage' || trouble === 'ours';
}

function silence({ code, message, retryAfterMs }: { code: string; message: string; retryAfterMs?: number }) {
  const more = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new ProviderError({ provider: 'registry', code: code as ProviderError['code'], message, ...more });
}

function toFound({ login, realm, repositories }: Verification): Found {
  const checks = repositories.flatMap(({ repository, ...proofs }) =>
    registryPurposes.flatMap((action) => {
      const proof = proofs[action];
      return proof ? [toCheck(repository, action, proof)] : [];
    }),
  );
  // Without a login, no repository was checked.
  const isIn = login.ok || login.code === 'credentials_unproven';
  return { login, realm, checks: isIn ? checks : [], version: null };
}

const denials = ['pull_denied', 'push_denied', 'not_visible', 'credentials_rejected', 'policy'];

function toCheck(repository: string, action: RegistryPurpose, proof: Proof): RepositoryCheck {
  if (proof.ok) return { repository, action, outcome: 'allowed' };
  return { repository, action, outcome: denials.includes(proof.code) ? 'denied' : 'unproven', code: proof.code };
}
