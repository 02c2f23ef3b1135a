import type { GitHubBroker } from '../broker/github.ts';
import type { Database } from '../db/connection.ts';
import { followInstallations } from '../db/follow-installations.ts';
import { githubAppsIn } from '../db/github-apps.ts';
import { installationsIn, type SeenInstallation } from '../db/installations.ts';
import { operationsIn } from '../db/operations.ts';
import { repositoriesIn } from '../db/repositories.ts';
import { everything } from '../db/tenant.ts';
import { ProviderError } from '../providers/http.ts';
import { withHeartbeats } from './heartbeats.ts';

export type RepositoryDeps = { database: Database; broker: Pick<GitHubBroker, 'asApp' | 'forInstallation'> };

type AppPage = { githubAppId: string; page: number };
type SyncFailure = { code: string; detail: string };
type InstallationPage = { installationId: string; page: number };

/** The pages of a sync. Each may run twice: it writes what GitHub says now, by GitHub's numbers. */
export function repositoryActivities({ database, broker }: RepositoryDeps) {
  return {
    /** What is asked for until here, the pass that begins answers. */
    async beginSync({ githubAppId }: { githubAppId: string }): Promise<void> {
      await database.write(async (trx) => {
        await githubAppsIn(trx).beginPass(githubAppId);
        await operationsIn(trx, everything).takeUp({ kind: 'sync', subjectId: githubAppId });
      });
    },

    /** A page of the App's installations; answers our ids of those whose repositories can be read. */
    async syncInstallationPage({ githubAppId, page }: AppPage): Promise<{ readable: string[]; next: number | null }> {
      return withHeartbeats(async () => {
        const app = await broker.asApp(githubAppId);
        const { installations, next } = await app.listInstallations(page);
        const readable = await database.write(async (trx) => {
          const ids: string[] = [];
          for (const { id, account, repositorySelection, permissions, events, suspendedAt } of installations) {
            const seen: SeenInstallation = {
              externalId: id,
              accountLogin: account.login,
              accountId: account.id,
              targetType: account.type,
              repositorySelection,
              permissions,
              events,
              suspendedAt: suspendedAt ?? null,
            };
            const row = await installationsIn(trx, everything).upsert(githubAppId, seen);
            if (row.suspendedAt === null) ids.push(row.id);
          }
          await followInstallations(trx, githubAppId);
          return ids;
        });
        return { readable, next: next ?? null };
      });
    },

    /** A page of an installation's repositories. `cutOff` is an installation that can be read no more. */
    async syncRepositoryPage({
      installationId,
      page,
    }: InstallationPage): Promise<{ next: number | null; cutOff: boolean }> {
      return withHeartbeats(async () => {
        const installation = await installationsIn(database.reader, everything).find(installationId);
        if (!installation) return { next: null, cutOff: true };
        try {
          const github = await broker.forInstallation(installationId);
          const { repositories, next } = await github.listRepositories(page);
          const seen = repositories.map(({ id, ...repository }) => ({ ...repository, externalId: id }));
          await database.write((trx) => repositoriesIn(trx).upsert(installation.githubAppId, installationId, seen));
          return { next: next ?? null, cutOff: false };
        } catch (error) {
          if (error instanceof ProviderError && isCutOff(error)) return { next: null, cutOff: true };
          throw error;
        }
      });
    },

    /** After the last page: what a complete pass has not seen is out of reach. */
    async finishRepositories({
      githubAppId,
      installationId,
    }: {
      githubAppId: string;
      installationId: string;
    }): Promise<void> {
      await database.write((trx) => repositoriesIn(trx).removeUnseen(githubAppId, installationId));
    },

    /** Ends the pass, and the operations that waited for it. `failure` is a code and a sentence. */
    async finishSync({ githubAppId, failure }: { githubAppId: string; failure?: SyncFailure }): Promise<void> {
      await database.write(async (trx) => {
        if (!failure) {
          await installationsIn(trx, everything).removeUnseen(githubAppId);
          await followInstallations(trx, githubAppId);
        }
        await githubAppsIn(trx).markSynced(githubAppId, failure?.detail ?? null);
        await operationsIn(trx, everything).finish({ kind: 'sync', subjectId: githubAppId }, failure);
      });
    },
  };
}

function isCutOff({ code }: ProviderError): boolean {
  return code === 'installation_gone' || code === 'installation_suspended';
}
