import { githubHost } from '../../domain/github/github-host.ts';
import type { Db } from '../store/connection.ts';

/** How many inputs a dispatch may carry on the GitHub that has this repository. */
export async function mostInputsFor(db: Db, repositoryId: string): Promise<number> {
  const app = await db('repositories')
    .join('github_apps', 'github_apps.id', 'repositories.github_app_id')
    .where('repositories.id', repositoryId)
    .first('github_apps.host_url', 'github_apps.api_url');
  return githubHost(app?.host_url ?? 'https://github.com', app?.api_url).maxInputs;
}
