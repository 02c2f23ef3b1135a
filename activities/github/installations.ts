import type { GitHubBroker } from '../../broker/github/github.ts';
import { armStaleDeliveries } from '../../db/deliveries/stale-deliveries.ts';
import { followInstallations } from '../../db/github/follow-installations.ts';
import { type AppLimits, appLimits, githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations, type SeenInstallation } from '../../db/github/installations.ts';
import { syncPassesIn } from '../../db/github/sync-passes.ts';
import { allOperations } from '../../db/ops/operations.ts';
import { commandsIn } from '../../db/store/commands.ts';
import type { Database } from '../../db/store/connection.ts';
import { concernsTheApp } from '../../domain/github/github-features.ts';
import { syncWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { Installation } from '../../providers/github/app/as-app.ts';
import type { GitHubAsApp } from '../../providers/github/github.ts';
import { isPassing } from '../failures.ts';
import {
  finishOperations,
  isPassOpen,
  noteAppAccepted,
  requireEnd,
  requireRoom,
  type SyncFailure,
  skippedFailure,
} from './sync-report.ts';

export type InstallationDeps = { database: Database; broker: Pick<GitHubBroker, 'asApp'>; limits?: AppLimits };

type OfApp = { githubAppId: string };
type Found = Awaited<ReturnType<GitHubAsApp['getInstallation']>>;

/** The number of installations that one step confirms. */
const confirmedAtOnce = 50;

/** The steps of a sync that read installations. Each step can run twice, because it writes what GitHub says now. */
export function installationActivities({ database, broker, limits = appLimits }: InstallationDeps) {
  return {
    /**
     * Begins a pass that serves all requests up to now. Returns false if no pass is open, and nothing has requested one
     * since the last.
     */
    async beginSync({ githubAppId }: OfApp): Promise<boolean> {
      return database.write(async (trx) => {
        const apps = githubAppsIn(trx);
        const pass = await apps.findPass(githubAppId);
        if (!pass) return false;
        const taken = await allOperations(trx).takeUp({ kind: 'sync', subjectId: githubAppId });
        const isWanted =
          taken > 0 || pass.isOpen || (await commandsIn(trx).wasRequested(syncWorkflowId(githubAppId), pass.begunAt));
        if (isWanted) await apps.beginPass(githubAppId);
        return isWanted;
      });
    },

    /**
     * Reads a page of the App's installations. Returns our IDs of the installations whose repositories can be read, and
     * the number of those that GitHub does not describe.
     */
    async syncInstallationPage({ githubAppId, page }: OfApp & { page: number }): Promise<{
      readable: string[];
      unreadable: number;
      next: number | null;
    }> {
      if (!(await isPassOpen(database.reader, githubAppId))) return { readable: [], unreadable: 0, next: null };
      const ours = await githubAppsIn(database.reader).find(githubAppId);
      // The operator's App can be installed on any account.
      if (ours && ours.orgId !== null) requireEnd(page, 'installations', limits.installations);
      const app = await broker.asApp(githubAppId);
      const readAt = Date.now();
      const { installations, unreadable, next } = await app.listInstallations(page);
      const numbers = installations.map(({ id }) => id);
      if (ours) await requireRoom(database, ours, 'installations', numbers, limits);
      return database.write(async (trx) => {
        const readable: string[] = [];
        for (const installation of installations) {
          const row = await allInstallations(trx).upsert(githubAppId, seenInstallation(installation), readAt);
          if (row.suspendedAt === null && row.removedAt === null) readable.push(row.id);
        }
        const known = await syncPassesIn(trx, githubAppId).keepUnreadable(unreadable);
        await followInstallations(trx, githubAppId);
        return { readable, unreadable: unreadable.length - known, next: next ?? null };
      });
    },

    /**
     * Confirms some of the installations that were on no page, by asking GitHub for each one. Returns the same as a
     * page does, and whether there can be more.
     */
    async confirmInstallations({ githubAppId }: OfApp): Promise<{ readable: string[]; more: boolean }> {
      if (!(await isPassOpen(database.reader, githubAppId))) return { readable: [], more: false };
      const unseen = await syncPassesIn(database.reader, githubAppId).listUnseen(confirmedAtOnce);
      if (unseen.length === 0) return { readable: [], more: false };
      const app = await broker.asApp(githubAppId);
      const answers: { externalId: number; found: Found | 'unreadable' }[] = [];
      const readAt = Date.now();
      for (const { externalId } of unseen) answers.push({ externalId, found: await lookFor(app, externalId) });
      return database.write(async (trx) => {
        const installations = allInstallations(trx);
        const readable: string[] = [];
        for (const { externalId, found } of answers) {
          if (found === undefined) await installations.markRemoved(githubAppId, externalId);
          else if (found === 'unreadable') await syncPassesIn(trx, githubAppId).keepUnreadable([externalId]);
          else {
            const row = await installations.upsert(githubAppId, seenInstallation(found), readAt);
            if (row.suspendedAt === null && row.removedAt === null) readable.push(row.id);
          }
        }
        await followInstallations(trx, githubAppId);
        return { readable, more: unseen.length === confirmedAtOnce };
      });
    },

    /**
     * Ends the pass and the operations that waited for it. `unreadable` is the number of installations beyond the known
     * ones. Returns why installations were skipped, if any were.
     */
    async finishSync({
      githubAppId,
      unreadable = 0,
      failure,
    }: OfApp & { unreadable?: number; failure?: SyncFailure }): Promise<SyncFailure | null> {
      return database.write(async (trx) => {
        const apps = githubAppsIn(trx);
        const app = await apps.find(githubAppId);
        if (!app || !(await isPassOpen(trx, githubAppId))) return failure ?? null;
        if (failure) {
          await apps.markSynced(githubAppId, { ended: false, error: failure.detail });
          if (failure.code === 'app_credentials_rejected') await noteAppAccepted(trx, app, false);
          await allOperations(trx).finish({ kind: 'sync', subjectId: githubAppId }, failure);
          return failure;
        }
        await noteAppAccepted(trx, app, true);
        await followInstallations(trx, githubAppId);
        const skipped = await syncPassesIn(trx, githubAppId).listSkipped();
        const partial = skippedFailure(skipped, unreadable) ?? null;
        await apps.markSynced(githubAppId, { ended: true, error: partial?.detail ?? null });
        await finishOperations(trx, app, skipped, unreadable);
        await armStaleDeliveries(trx, githubAppId);
        return partial;
      });
    },
  };
}

/** Treats only a plain "not found" as removed. */
async function lookFor(app: GitHubAsApp, externalId: number): Promise<Found | 'unreadable'> {
  try {
    return await app.getInstallation(externalId);
  } catch (error) {
    if (!(error instanceof ProviderError) || concernsTheApp(error.code)) throw error;
    if (isPassing(error) && error.code !== 'unexpected') throw error;
    return 'unreadable';
  }
}

/** Converts an installation from GitHub to the form that is stored. */
export function seenInstallation({
  id,
  account,
  repositorySelection,
  permissions,
  events,
  suspendedAt,
}: Installation): SeenInstallation {
  return {
    externalId: id,
    accountLogin: account.login,
    accountId: account.id,
    targetType: account.type,
    repositorySelection,
    permissions,
    events,
    suspendedAt: suspendedAt ?? null,
  };
}
