import { randomUUID } from 'node:crypto';
import type { RegistryErrorCode } from '../../domain/ops/provider-failures.ts';
import type { RegistryPurpose } from '../../domain/registries/registry-purposes.ts';
import { failure } from './failures.ts';
import { authorization, type Scoped, type WayIn, wayInOf } from './way-in.ts';
import { type Answer, ask, fieldOf, jsonIn, type Wire } from './wire.ts';

/** A tag that does not exist. A request for it does not count as a pull. */
const absentTag = 'fairlead-probe-of-a-tag-that-is-not-there';

export type Probe = Omit<Scoped, 'scopes'> & {
  repository: string;
  purpose: RegistryPurpose;
  /** Whether the registry responds alike for what does not exist and for what the identity may not see. */
  hides: boolean;
};

/**
 * Proves that the identity may pull from or push to a repository, and leaves nothing behind. For a push it sends the
 * next part of an upload that never began: with push access the registry reports an unknown upload, otherwise a denial.
 * Some registries look for the upload before they check access, so the same request is first sent without a credential.
 * If that is not denied, nothing is proven. Throws a `ProviderError` without a proof.
 */
export async function probe(wire: Wire, door: WayIn, wanted: Probe): Promise<void> {
  const { repository, purpose } = wanted;
  const request = requestOf(purpose, repository);
  const control = await ask(wire, request.method, request.path);
  const wayIn = wayInAfter(control) ?? door;
  const scopes = [scopeOf(repository, purpose)];
  const header = await authorization(wire, wayIn, { ...wanted, scopes });
  const answer = header === undefined ? undefined : await ask(wire, request.method, request.path, header);
  const told = header?.startsWith('Bearer ') ? accessIn(header.slice('Bearer '.length)) : undefined;
  // Some registries look for the upload after the login but before they check access.
  const calibrated =
    isRefused(control) && (purpose === 'pull' || !told || told.get(repository)?.includes('push') === true);
  const code = answer ? judge[purpose](answer, calibrated) : deniedCode[purpose];
  if (code === undefined) return;

  const shown = code === deniedCode[purpose] && wanted.hides ? 'not_visible' : code;
  const { status = 0 } = answer ?? {};
  throw failure(shown, `${sentences[shown] ?? `${wire.origin.host} answered ${status}`}: ${repository}`, { status });
}

/**
 * Returns how the registry authenticates for this repository. Some registries are open at `/v2/` and ask for a token
 * only at a repository. Undefined if the registry asks for nothing there.
 */
export async function findRepositoryWayIn(
  wire: Wire,
  repository: string,
  purpose: RegistryPurpose,
): Promise<WayIn | undefined> {
  const { method, path } = requestOf(purpose, repository);
  return wayInAfter(await ask(wire, method, path));
}

function wayInAfter(answer: Answer): WayIn | undefined {
  return isRefused(answer) ? wayInOf(answer) : undefined;
}

export function scopeOf(repository: string, purpose: RegistryPurpose): string {
  return `repository:${repository}:${purpose === 'push' ? 'pull,push' : 'pull'}`;
}

function requestOf(purpose: RegistryPurpose, repository: string): { method: 'GET' | 'PATCH'; path: string } {
  return purpose === 'pull'
    ? { method: 'GET', path: `/v2/${repository}/manifests/${absentTag}` }
    : { method: 'PATCH', path: `/v2/${repository}/blobs/uploads/${randomUUID()}` };
}

/** Distribution denies with 401, most other services with 403. */
function isRefused({ status }: Answer): boolean {
  return status === 401 || status === 403;
}

const deniedCode = { pull: 'pull_denied', push: 'push_denied' } as const;

/** Returns what contradicts the proof, or undefined if the proof holds. */
const judge: Record<RegistryPurpose, (answer: Answer, calibrated: boolean) => RegistryErrorCode | undefined> = {
  pull(answer, calibrated) {
    if (isRefused(answer)) return 'pull_denied';
    if (answer.codes.includes('NAME_UNKNOWN')) return 'not_visible';
    if (answer.status === 200) return undefined;
    if (answer.status !== 404) return 'unexpected';
    return calibrated ? undefined : 'pull_unproven';
  },
  push(answer, calibrated) {
    if (isRefused(answer)) return 'push_denied';
    if (answer.codes.includes('NAME_UNKNOWN')) return 'not_visible';
    // Any proxy in front of the registry may return a bare 404.
    const missesUpload = answer.codes.some((code) => code.startsWith('BLOB_UPLOAD_'));
    return calibrated && missesUpload && [400, 404, 416].includes(answer.status) ? undefined : 'push_unproven';
  },
};

const sentences: Partial<Record<RegistryErrorCode, string>> = {
  pull_denied: 'The credential may not pull from',
  push_denied: 'The credential may not push to',
  not_visible: 'There is no such repository, or the credential may not see it',
  pull_unproven: 'The registry does not tell whether the credential may pull from',
  push_unproven: 'The registry does not tell, without a push, whether the credential may push to',
};

/** The actions by repository of a readable token. The token is not verified, because the registry does that. */
export function accessIn(token: string): Map<string, string[]> | undefined {
  const payload = token.split('.')[1];
  const access = payload && fieldOf(jsonIn(Buffer.from(payload, 'base64url').toString('utf8')), 'access');
  if (!Array.isArray(access)) return undefined;
  const found = new Map<string, string[]>();
  for (const one of access) {
    const [type, name, actions] = ['type', 'name', 'actions'].map((field) => fieldOf(one, field));
    if (type !== 'repository' || typeof name !== 'string' || !Array.isArray(actions)) continue;
    const all = actions.includes('*') ? ['pull', 'push'] : [];
    found.set(name, [...(found.get(name) ?? []), ...all, ...actions.filter((action) => typeof action === 'string')]);
  }
  return found;
}
