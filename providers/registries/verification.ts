import type { ProviderErrorCode } from '../../domain/ops/provider-failures.ts';
import { imageRepository } from '../../domain/registries/image-repository.ts';
import type { RegistryHost } from '../../domain/registries/registry-hosts.ts';
import type { RegistryPurpose } from '../../domain/registries/registry-purposes.ts';
import { ProviderError } from '../failure.ts';
import { failure } from './failures.ts';
import { probe } from './probes.ts';
import type { Login } from './tokens.ts';
import { authorization, findWayIn, realmOf, type WayIn } from './way-in.ts';
import { ask, type Wire } from './wire.ts';

/** The message may be shown to the owner of the credential. */
export type Proof = { ok: true } | { ok: false; code: ProviderErrorCode; message: string; retryAfterMs?: number };

export type Verification = {
  /**
   * The host that receives the registry's credentials. Absent if the registry takes them itself. Pinned once a person
   * agrees.
   */
  realm: string | undefined;
  login: Proof;
  repositories: { repository: string; pull?: Proof; push?: Proof }[];
};

export type VerificationRequest = {
  login: Login;
  /** What to prove for each repository, by its name in the registry. */
  repositories: string[];
  purposes: RegistryPurpose[];
  pinnedRealm: string | undefined;
};

/** A failure that says nothing about the credential, and would repeat for the next repository. */
const outages = new Set<ProviderErrorCode>(['rate_limited', 'secondary_limited', 'unavailable', 'network', 'timeout']);

/**
 * Proves the login, and each purpose for each repository separately. A failure is a result and not an error, except an
 * abort by the caller.
 */
export async function verify(wire: Wire, host: RegistryHost, request: VerificationRequest): Promise<Verification> {
  let wayIn: WayIn | undefined;
  const login = await proofOf(async () => {
    wayIn = await findWayIn(wire);
    await proveLogin(wire, wayIn, request);
  });
  const door = wayIn;
  // A registry that is open at `/v2/` may still ask for credentials at each repository.
  const stop = !login.ok && login.code !== 'credentials_unproven' ? login : undefined;
  const repositories = await proveRepositories(wire, host, request, door, stop);
  return { realm: door && realmOf(door), login, repositories };
}

async function proveRepositories(
  wire: Wire,
  host: RegistryHost,
  { repositories, purposes, login, pinnedRealm }: VerificationRequest,
  door: WayIn | undefined,
  failed: Proof | undefined,
): Promise<Verification['repositories']> {
  const hides = host.kind === 'dockerhub' || host.kind === 'gar' || host.host === 'ghcr.io';
  const proven: Verification['repositories'] = [];
  let stop = failed;
  for (const given of repositories) {
    const repository = imageRepository(host, given);
    const proofs: { pull?: Proof; push?: Proof } = {};
    for (const purpose of purposes) {
      const proof: Proof =
        stop ??
        (await proofOf(async () => {
          if (repository === undefined || !door) throw failure('validation', 'This is no name of a repository there');
          await probe(wire, door, { repository, purpose, login, pinnedRealm, hides });
        }));
      if (!proof.ok && outages.has(proof.code)) stop = proof;
      proofs[purpose] = proof;
    }
    proven.push({ repository: given, ...proofs });
  }
  return proven;
}

async function proveLogin(wire: Wire, wayIn: WayIn, { login, pinnedRealm }: VerificationRequest): Promise<void> {
  const { host } = wire.origin;
  const header = await authorization(wire, wayIn, { login, scopes: [], pinnedRealm });
  const answer = header === undefined ? undefined : await ask(wire, 'GET', '/v2/', header);
  if (!answer || answer.status === 401 || answer.status === 403) {
    throw failure(
      'credentials_rejected',
      `${host} does not accept the credential`,
      answer && { status: answer.status },
    );
  }
  if (answer.status !== 200) throw failure('not_a_registry', `${host} answers ${answer.status} at /v2/`, answer);
  if (wayIn.scheme === 'open') {
    throw failure('credentials_unproven', `${host} lets anybody in, so the credential is not proven`);
  }
}

async function proofOf(prove: () => Promise<void>): Promise<Proof> {
  try {
    await prove();
    return { ok: true };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    const { code, message, retryAfterMs } = error;
    return { ok: false, code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  }
}
