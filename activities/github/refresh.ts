import { activityInfo } from '@temporalio/activity';
import type { GitHubBroker } from '../../broker/github/github.ts';
import { followInstallations } from '../../db/github/follow-installations.ts';
import { followMoved, stopBuildsOf } from '../../db/github/follow-repositories.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations, type Installation } from '../../db/github/installations.ts';
import { isRefreshRequested, type Refresh } from '../../db/github/refresh-installation.ts';
import { repositoriesIn, type SeenRepository } from '../../db/github/repositories.ts';
import type { Database } from '../../db/store/connection.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { ProviderError } from '../../providers/failure.ts';
import { seenInstallation } from './installations.ts';
import { requireRoom } from './sync-report.ts';

export type RefreshDeps = { database: Database; broker: Pick<GitHubBroker, 'asApp' | 'reachedRepository'> };

/** The number of repositories read at once. Each one takes a token and a request. */
const atOnce = 5;

/** How often an installation is read again because an event removed access in between. */
const attempts = 3;

export function refreshActivities({ database, broker }: RefreshDeps) {
  /**
   * Returns undefined if GitHub does not have the installation, and `overtaken` if an event removed access in between.
   */
  async function readOnce({ githubAppId, installation: externalId }: Refresh) {
    const app = await broker.asApp(githubAppId);
    const readAt = Date.now();
    const found = await app.getInstallation(externalId);
    if (found) await requireRoomFor(githubAppId, 'installations', externalId);
    return database.write(async (trx): Promise<Installation | 'overtaken' | undefined> => {
      const installations = allInstallations(trx);
      const ours = await githubAppsIn(trx).find(githubAppId);
      if (!ours) return undefined;
      if (!found) await installations.markRemoved(githubAppId, externalId);
      const row = found && (await installations.upsert(githubAppId, seenInstallation(found), readAt));
      if (row) {
        const { web } = githubHost(ours.hostUrl, ours.apiUrl);
        await repositoriesIn(trx).renameOwner(row.id, row.accountLogin, web);
      }
      await followInstallations(trx, githubAppId);
      const isAsFound = row?.removedAt === null && (row.suspendedAt === null) === (found?.suspendedAt === undefined);
      return row && !isAsFound ? 'overtaken' : row;
    });
  }

  async function readRepository({ githubAppId, installation }: Refresh, row: Installation, externalId: number) {
    const readAt = Date.now();
    const found = await reached(row.id, externalId);
    if (found) await requireRoomFor(githubAppId, 'repositories', externalId);
    await database.write(async (trx) => {
      const repositories = repositoriesIn(trx);
      if (found) {
        await repositories.upsert(githubAppId, row.id, [found], { readAt });
        await followMoved(trx, row.id);
      } else {
        await stopBuildsOf(trx, await repositories.markRemoved(githubAppId, [externalId], installation));
      }
    });
  }

  async function requireRoomFor(githubAppId: string, kind: 'installations' | 'repositories', externalId: number) {
    const app = await githubAppsIn(database.reader).find(githubAppId);
    if (app) await requireRoom(database, app, kind, [externalId]);
  }

  /** Returns nothing if this installation does not reach the repository. Public read access is not enough. */
  async function reached(installationId: string, externalId: number): Promise<SeenRepository | undefined> {
    try {
      const found = await broker.reachedRepository(installationId, externalId);
      return found && { ...found, externalId };
    } catch (error) {
      if (error instanceof ProviderError && error.code === 'not_found') return undefined;
      throw error;
    }
  }

  return {
    /** Reads an installation and some of its repositories from GitHub. */
    async readInstallation(refresh: Refresh): Promise<void> {
      const workflowId = activityInfo().workflowExecution?.workflowId ?? '';
      if (!(await isRefreshRequested(database.reader, workflowId, refresh))) return;
      let row: Awaited<ReturnType<typeof readOnce>> = 'overtaken';
      for (let attempt = 0; attempt < attempts && row === 'overtaken'; attempt += 1) row = await readOnce(refresh);
      if (row === 'overtaken' || !row || row.suspendedAt !== null) return;
      const waiting = [...new Set(refresh.repositories)];
      while (waiting.length > 0) {
        const some = waiting.splice(0, atOnce);
        await Promise.all(some.map((externalId) => readRepository(refresh, row as Installation, externalId)));
      }
    },
  };
}
