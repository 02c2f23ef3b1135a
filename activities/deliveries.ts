import type { GitHubBroker } from '../broker/github.ts';
import type { Database } from '../db/connection.ts';
import { githubAppsIn } from '../db/github-apps.ts';
import { operationsIn } from '../db/operations.ts';
import { requestRecoveries, sourcesOfGithubApp } from '../db/recovery.ts';
import { everything } from '../db/tenant.ts';
import { isPastWindow } from '../domain/delivery-log.ts';
import { githubHost } from '../domain/github-host.ts';
import { withHeartbeats } from './heartbeats.ts';
import { fillRepositoryGap } from './recovery/fill-gap.ts';
import { type LogReading, readLog, sinceOf } from './recovery/read-log.ts';

export type DeliveryDeps = {
  database: Database;
  broker: Pick<GitHubBroker, 'asApp' | 'forRepository'>;
  /** Whether GitHub can reach us by webhook. */
  reachable: boolean;
};

type Failure = { code: string; detail: string };
export type RecoveryBegun = { begunAt: number; gaps: { repositoryId: string; ownerId: string }[] };

/** Getting what the webhooks did not bring. */
export function deliveryActivities(deps: DeliveryDeps) {
  const { database } = deps;
  return {
    /** Has the log of every App read; many requests make one reading. */
    async requestRecoveries(): Promise<void> {
      await requestRecoveries(database);
    },

    /** What is asked for until here, the reading that begins answers. `gaps` is what the log cannot tell any more. */
    async beginRecovery({ githubAppId }: { githubAppId: string }): Promise<RecoveryBegun> {
      const begunAt = Date.now();
      await database.write((trx) => operationsIn(trx, everything).takeUp({ kind: 'recover', subjectId: githubAppId }));
      const app = await githubAppsIn(database.reader).find(githubAppId);
      if (!app) return { begunAt, gaps: [] };
      const isServer = githubHost(app.hostUrl, app.apiUrl).flavour === 'ghes';
      const isPast = isPastWindow(await sinceOf(database, app), isServer, begunAt);
      return { begunAt, gaps: isPast ? await sourcesOfGithubApp(database.reader, githubAppId) : [] };
    },

    async readDeliveryLog(input: { githubAppId: string; cursor?: string; begunAt: number }): Promise<LogReading> {
      return withHeartbeats(() => readLog(deps, input));
    },

    /** Answers how many pushes were made. */
    async fillGap(input: { repositoryId: string; ownerId: string }): Promise<number> {
      return withHeartbeats(() => fillRepositoryGap(deps, input));
    },

    async finishRecovery({ githubAppId, failure }: { githubAppId: string; failure?: Failure }): Promise<void> {
      await database.write((trx) =>
        operationsIn(trx, everything).finish({ kind: 'recover', subjectId: githubAppId }, failure),
      );
    },
  };
}
