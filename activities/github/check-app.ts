import type { GitHubBroker } from '../../broker/github/github.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { requestSync } from '../../db/github/installations.ts';
import { appendAudit } from '../../db/ops/audit.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import type { Database } from '../../db/store/connection.ts';
import { missingEvents, missingPermissions } from '../../domain/github/github-permissions.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { GitHubApp, GitHubAsApp } from '../../providers/github/github.ts';
import { isPassing } from '../failures.ts';
import { noteAppAccepted, settingsOf } from './sync-report.ts';

export type ReconcileDeps = {
  database: Database;
  broker: Pick<GitHubBroker, 'asApp'>;
  /** Whether GitHub can reach Fairlead by webhook. */
  reachable: boolean;
  /** Returns the webhook address of this App. */
  webhookUrlFor(githubAppId: string): string;
};

type Hook = Awaited<ReturnType<GitHubAsApp['getHookConfig']>>;

/**
 * Compares one App with its settings at GitHub: whether it exists, its permissions and events, and its webhook address.
 * It fixes what it can and raises incidents for the rest. Then it requests a sync of installations and repositories.
 */
export async function checkApp(deps: ReconcileDeps, githubAppId: string): Promise<void> {
  const { database, broker } = deps;
  const app = await githubAppsIn(database.reader).find(githubAppId);
  if (!app) return;
  let asApp: GitHubAsApp;
  let found: GitHubApp;
  try {
    asApp = await broker.asApp(githubAppId);
    found = await asApp.getApp();
  } catch (error) {
    if (error instanceof ProviderError && error.code === 'app_credentials_rejected') {
      await database.write((trx) => noteAppAccepted(trx, app, false));
    }
    throw error;
  }
  await database.write((trx) => noteAppAccepted(trx, app, true));
  await noteComplete(deps, app, found);
  if (deps.reachable) await mendHook(deps, app, asApp);
  await database.write((trx) => requestSync(trx, githubAppId));
}

async function noteComplete({ database }: ReconcileDeps, app: GithubApp, found: GitHubApp): Promise<void> {
  const permissions = Object.entries(missingPermissions(found.permissions)).map(([name, level]) => `${name}: ${level}`);
  const events = missingEvents(found.events).map((event) => `the event ${event}`);
  const lacking = [...permissions, ...events];
  const title = `The App ${app.slug} lacks permissions or events that Fairlead needs: ${lacking.join(', ')}`;
  await note(database, app, 'app_incomplete', lacking.length === 0 ? undefined : title);
}

/** Fixes only an App that belongs to an organization. The operator configures the operator's App by hand. */
async function mendHook({ database, webhookUrlFor }: ReconcileDeps, app: GithubApp, asApp: GitHubAsApp): Promise<void> {
  const wanted = webhookUrlFor(app.id);
  const hook = await asApp.getHookConfig().catch((error: unknown): Hook => {
    // The App has no webhook.
    if (error instanceof ProviderError && error.status === 404) {
      return { url: undefined, contentType: undefined, insecureSsl: '0' };
    }
    throw error;
  });
  const shared = wanted.slice(0, wanted.lastIndexOf('/'));
  const comesHere = hook.url === wanted || (app.orgId === null && hook.url === shared);
  if (comesHere && hook.contentType === 'json') return note(database, app, 'webhook_misdirected', undefined);

  const title = comesHere
    ? `The App ${app.slug} sends its webhooks as ${hook.contentType ?? 'form'} and not as json`
    : `The App ${app.slug} does not send its webhooks to ${wanted}`;
  if (app.orgId === null) return note(database, app, 'webhook_misdirected', title);
  try {
    await asApp.setHookAddress({ url: wanted, insecureSsl: hook.insecureSsl });
  } catch (error) {
    if (isPassing(error)) throw error;
    return note(database, app, 'webhook_misdirected', title);
  }
  await database.write(async (trx) => {
    await appendAudit(trx, {
      orgId: app.orgId,
      actor: 'system',
      action: 'github_app.webhook_repaired',
      target: app.id,
      detail: { url: comesHere ? null : wanted, content_type: 'json' },
    });
    await allIncidents(trx).resolveSubject('webhook_misdirected', app.id);
  });
}

/** Raises the incident, or resolves it if there is no title. */
async function note(database: Database, app: GithubApp, code: IncidentCode, title: string | undefined): Promise<void> {
  await database.write(async (trx) => {
    const incidents = allIncidents(trx);
    if (title === undefined) return incidents.resolveSubject(code, app.id);
    const link = settingsOf(app);
    await incidents.raise({ orgId: app.orgId, projectId: null, code, subjectId: app.id, title, link });
  });
}
