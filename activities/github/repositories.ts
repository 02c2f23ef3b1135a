import type { GitHubBroker } from '../../broker/github/github.ts';
import { followMoved, stopBuildsOf } from '../../db/github/follow-repositories.ts';
import { type AppLimits, appLimits, githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations } from '../../db/github/installations.ts';
import { repositoriesIn } from '../../db/github/repositories.ts';
import { type ReadPage, repositoryPagesIn } from '../../db/github/repository-pages.ts';
import { syncPassesIn } from '../../db/github/sync-passes.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import type { Database } from '../../db/store/connection.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { GitHubWithToken } from '../../providers/github/github.ts';
import {
  isPassOpen,
  mostOfInstallation,
  raiseUnreadable,
  requireEnd,
  requireRoom,
  type SyncFailure,
  unreadableCode,
} from './sync-report.ts';

export type RepositoryDeps = {
  database: Database;
  broker: Pick<GitHubBroker, 'forInstallation'>;
  limits?: AppLimits;
};

type OfInstallation = { githubAppId: string; installationId: string };

/** The steps of a sync that read repositories. Each step can run twice, because it writes what GitHub says now. */
export function repositoryActivities({ database, broker, limits = appLimits }: RepositoryDeps) {
  return {
    /**
     * Reads a page of an installation's repositories, unless GitHub says that it has not changed. `whole` always reads
     * it. `cutOff` means that the installation can no longer be read.
     */
    async syncRepositoryPage({
      installationId,
      page,
      whole = false,
    }: {
      installationId: string;
      page: number;
      whole?: boolean;
    }): Promise<{ next: number | null; cutOff: boolean }> {
      const installation = await allInstallations(database.reader).find(installationId);
      if (!installation) return { next: null, cutOff: true };
      const { githubAppId } = installation;
      if (!(await isPassOpen(database.reader, githubAppId))) return { next: null, cutOff: true };
      requireEnd(page, 'repositories', mostOfInstallation);
      try {
        const github = await broker.forInstallation(installationId);
        const kept = whole ? undefined : await keepUnchanged(github, githubAppId, { installationId, page });
        if (kept) return { next: kept.next, cutOff: false };
        const read = await readPage(github, page);
        await requireRoomFor(githubAppId, read);
        await database.write((trx) => repositoryPagesIn(trx, githubAppId).store(installationId, read));
        return { next: read.next, cutOff: false };
      } catch (error) {
        if (error instanceof ProviderError && isCutOff(error)) return { next: null, cutOff: true };
        throw error;
      }
    },

    /**
     * Ends the reading of an installation. A repository that was missing from two readings is out of reach, because
     * pages shift while repositories change. Returns whether to read again, and whether to read every page or only the
     * changes.
     */
    async finishRepositories({
      githubAppId,
      installationId,
      again,
    }: OfInstallation & { again: boolean }): Promise<'done' | 'read_whole' | 'read_changes'> {
      return database.write(async (trx) => {
        if (!(await isPassOpen(trx, githubAppId))) return 'done';
        const repositories = repositoriesIn(trx);
        const pass = syncPassesIn(trx, githubAppId);
        if (!(await repositoryPagesIn(trx, githubAppId).isComplete(installationId))) {
          if (!again) return 'read_whole';
          await pass.noteSkipped(installationId, 'incomplete');
          return 'done';
        }
        if (!again && (await repositories.hasUnseen(githubAppId, installationId))) return 'read_changes';
        await stopBuildsOf(trx, await repositories.removeUnseen(githubAppId, installationId));
        await followMoved(trx, installationId);
        await pass.noteRead(installationId);
        await allIncidents(trx).resolveSubject(unreadableCode, installationId);
        return 'done';
      });
    },

    /** Skips an installation that GitHub refuses or that fails for too long. It keeps its stored repositories. */
    async skipInstallation({
      githubAppId,
      installationId,
      failure,
    }: OfInstallation & { failure: SyncFailure }): Promise<void> {
      await database.write(async (trx) => {
        const installation = await allInstallations(trx).find(installationId);
        const app = await githubAppsIn(trx).find(githubAppId);
        if (!installation || !app || !(await isPassOpen(trx, githubAppId))) return;
        await syncPassesIn(trx, githubAppId).noteSkipped(installationId, failure.code);
        await raiseUnreadable(trx, app, installation, failure);
      });
    },
  };

  async function keepUnchanged(
    github: GitHubWithToken,
    githubAppId: string,
    { installationId, page }: { installationId: string; page: number },
  ): Promise<{ next: number | null } | undefined> {
    const etag = await repositoryPagesIn(database.reader, githubAppId).etag(installationId, page);
    if (etag === undefined) return undefined;
    const readAt = Date.now();
    const changed = await github.listRepositoriesUnless(etag, page);
    const read = changed && toReadPage(changed, page, readAt);
    if (read) await requireRoomFor(githubAppId, read);
    return database.write(async (trx) => {
      const pages = repositoryPagesIn(trx, githubAppId);
      if (!read) return pages.keep(installationId, page);
      await pages.store(installationId, read);
      return { next: read.next };
    });
  }

  async function requireRoomFor(githubAppId: string, { repositories }: ReadPage): Promise<void> {
    const app = await githubAppsIn(database.reader).find(githubAppId);
    const numbers = repositories.map(({ externalId }) => externalId);
    if (app) await requireRoom(database, app, 'repositories', numbers, limits);
  }
}

async function readPage(github: GitHubWithToken, page: number): Promise<ReadPage> {
  const readAt = Date.now();
  return toReadPage(await github.listRepositories(page), page, readAt);
}

type RepositoryPage = Awaited<ReturnType<GitHubWithToken['listRepositories']>>;

function toReadPage({ repositories, totalCount, next, etag }: RepositoryPage, page: number, readAt: number): ReadPage {
  const seen = repositories.map(({ id, ...repository }) => ({ ...repository, externalId: id }));
  return { page, next: next ?? null, etag, totalCount, repositories: seen, readAt };
}

function isCutOff({ code }: ProviderError): boolean {
  return code === 'installation_gone' || code === 'installation_suspended';
}
