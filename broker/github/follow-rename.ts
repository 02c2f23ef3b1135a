import { ProviderError } from '../../providers/failure.ts';
import type { GitHubWithToken } from '../../providers/github/github.ts';
import type { Repository } from '../../providers/github/repository/repositories.ts';

/**
 * What GitHub answers where the name is not the repository's any more: it leads on, or knows nothing of that name, or
 * another repository has it by now, for which the token is not good.
 */
const mayBeTheName: ReadonlySet<string> = new Set([
  'moved',
  'not_found',
  'gone',
  'permission_missing',
  'workflow_file_missing',
]);

/** Whose answer is nothing where GitHub finds nothing. */
const reads = /^(get|read)/;

type Known = { fullName: string; externalId: number };

/**
 * Asks again under the repository's present name where the one that we know may be an old one. The number decides: a
 * repository that took over an old name is never asked, nor could it be written to, since the token is made for one
 * repository's number. A repository that GitHub does not show under its number either is out of reach: `not_found`.
 */
export function followingRename(
  github: GitHubWithToken,
  { fullName, externalId }: Known,
  learn: (renamed: Repository) => Promise<void>,
): GitHubWithToken {
  let name = fullName;

  const rename = (parameter: unknown): unknown => {
    if (parameter === fullName) return name;
    return named(parameter) === fullName ? { ...(parameter as object), fullName: name } : parameter;
  };

  /** True where it has another name by now. */
  async function resolve(): Promise<boolean> {
    const found = await github.getRepositoryById(externalId);
    if (!found) {
      const message = `The App no longer reaches the repository ${fullName}`;
      throw new ProviderError({ provider: 'github', code: 'not_found', message });
    }
    if (found.fullName === name) return false;
    name = found.fullName;
    // Whoever comes next would only find it out once more.
    await learn(found).catch(() => undefined);
    return true;
  }

  function wrap(method: string, call: (...all: unknown[]) => Promise<unknown>) {
    return async (...parameters: unknown[]): Promise<unknown> => {
      if (!parameters.some((one) => one === fullName || named(one) === fullName)) return call(...parameters);
      const ask = () => call(...parameters.map(rename));
      const asked = name;
      let result: unknown;
      try {
        result = await ask();
        if (result !== undefined || !reads.test(method)) return result;
      } catch (error) {
        if (!isDefinite(error) || !mayBeTheName.has(error.code)) throw error;
        if (asked === name && !(await resolve().catch((failure) => refused(failure, error)))) throw error;
        return ask();
      }
      return asked !== name || (await resolve().catch((failure) => refused(failure))) ? ask() : result;
    };
  }

  const wrapped = Object.entries(github).map(([method, call]) => [method, wrap(method, call as never)]);
  return Object.fromEntries(wrapped) as GitHubWithToken;
}

function named(parameter: unknown): unknown {
  return typeof parameter === 'object' && parameter !== null && 'fullName' in parameter
    ? parameter.fullName
    : undefined;
}

function isDefinite(error: unknown): error is ProviderError {
  return error instanceof ProviderError && !error.ambiguous;
}

/** That it is out of reach is news; that GitHub could not be asked leaves the first answer as it was. */
function refused(failure: unknown, first?: unknown): never | false {
  if (failure instanceof ProviderError && failure.code === 'not_found') throw failure;
  if (first !== undefined) throw first;
  return false;
}
