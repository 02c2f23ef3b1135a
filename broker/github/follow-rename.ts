import { ProviderError } from '../../providers/failure.ts';
import type { GitHubWithToken } from '../../providers/github/github.ts';
import type { Repository } from '../../providers/github/repository/repositories.ts';

/**
 * GitHub's answers for a name that is no longer the repository's: a redirect, "not found", or another repository that
 * the token does not reach.
 */
const mayBeTheName: ReadonlySet<string> = new Set([
  'moved',
  'not_found',
  'gone',
  'permission_missing',
  'workflow_file_missing',
]);

/** Returns undefined if GitHub finds nothing. */
const reads = /^(get|read)/;

type Known = { fullName: string; externalId: number };

/**
 * Tries again under the repository's current name if the stored name may be old. The repository's number decides: the
 * token is for that number only, so a repository that took over the old name is neither read nor written to. If GitHub
 * does not show the number either, the repository is out of reach: `not_found`.
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

  /** Returns true if the repository has another name now. */
  async function resolve(): Promise<boolean> {
    const found = await github.getRepositoryById(externalId);
    if (!found) {
      const message = `The App no longer reaches the repository ${fullName}`;
      throw new ProviderError({ provider: 'github', code: 'not_found', message });
    }
    if (found.fullName === name) return false;
    name = found.fullName;
    // The next caller would only find the same.
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

/** That the repository is out of reach is news. If GitHub could not be asked, the first answer stands. */
function refused(failure: unknown, first?: unknown): never | false {
  if (failure instanceof ProviderError && failure.code === 'not_found') throw failure;
  if (first !== undefined) throw first;
  return false;
}
