import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations, type Installation } from '../../db/github/installations.ts';
import { type Repository, repositoriesIn } from '../../db/github/repositories.ts';
import type { Db } from '../../db/store/connection.ts';
import type { ProviderErrorCode } from '../../domain/ops/provider-failures.ts';
import { ProviderError } from '../../providers/failure.ts';

export type Reach = { repository: Repository; installation: Installation; app: GithubApp };

/**
 * Returns how to reach a repository as far as Fairlead knows. Throws a `ProviderError` without a call to GitHub if it
 * is cut off.
 */
export async function reachOf(db: Db, repositoryId: string): Promise<Reach> {
  const repository = await repositoriesIn(db).find(repositoryId);
  const installation = repository && (await allInstallations(db).find(repository.installationId));
  const app = repository && (await githubAppsIn(db).find(repository.githubAppId));
  if (!repository || !installation || !app) throw cutOff('not_found', 'There is no such repository');
  refuseUnusable(installation);
  if (repository.removedAt !== null) {
    throw cutOff('not_found', `The App no longer reaches the repository ${repository.fullName}`);
  }
  return { repository, installation, app };
}

export function refuseUnusable({ accountLogin, removedAt, suspendedAt }: Installation): void {
  if (removedAt !== null) throw cutOff('installation_gone', `The App is no longer installed on ${accountLogin}`);
  if (suspendedAt !== null)
    throw cutOff('installation_suspended', `The App’s installation on ${accountLogin} is suspended`);
}

/**
 * GitHub rejects a token with the same status (422) for a permission that was not granted and for a repository out of
 * reach. The last sync tells them apart.
 */
export function refusedToken(
  error: unknown,
  { accountLogin, permissions: granted }: Installation,
  wanted: { repositoryIds?: number[]; permissions: Record<string, string> },
): unknown {
  if (!(error instanceof ProviderError) || error.code !== 'validation') return error;
  const lacking = Object.entries(wanted.permissions)
    .filter(([name, level]) => levels.indexOf(granted[name] ?? '') < levels.indexOf(level))
    .map(([name, level]) => `${name}: ${level}`);
  if (lacking.length > 0) {
    return cutOff('permission_missing', `The installation on ${accountLogin} does not grant ${lacking.join(', ')}`);
  }
  return wanted.repositoryIds ? cutOff('not_found', 'The App no longer reaches the repository') : error;
}

const levels = ['read', 'write', 'admin'];

function cutOff(code: ProviderErrorCode, message: string): ProviderError {
  return new ProviderError({ provider: 'github', code, message });
}
