import type { GithubSecretKind } from '../../domain/secrets/credential-status.ts';
import { appendAudit } from '../ops/audit.ts';
import { githubAppSecrets } from '../secrets/github-app-secrets.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Database, Db } from '../store/connection.ts';
import { StoreError } from '../store/errors.ts';
import type { Keyring } from '../store/sealing.ts';
import { type GithubApp, githubAppsIn } from './github-apps.ts';
import { retireIdleApp } from './idle-apps.ts';

/** The part of the operator's App settings that the database needs. */
export type OperatorAppSettings = {
  appId: number;
  slug: string;
  hostUrl: string;
  apiUrl: string;
  privateKey: string;
  webhookSecret: string;
  clientId?: string | undefined;
  clientSecret?: string | undefined;
};

/**
 * Stores the operator's App from the environment: its row, its sealed secrets, and a request to sync its installations.
 * A changed secret becomes a new version. Every process can run this at every start.
 */
export async function registerOperatorApp(
  database: Database,
  keyring: Keyring,
  settings: OperatorAppSettings,
  syncCommand: (trx: Db, githubAppId: string) => Promise<Command>,
): Promise<GithubApp> {
  return database.write(async (trx) => {
    await retireIdleApp(trx, settings);
    const app = await githubAppsIn(trx).upsert({
      orgId: null,
      hostUrl: settings.hostUrl,
      apiUrl: settings.apiUrl,
      appId: settings.appId,
      slug: settings.slug,
      name: settings.slug,
      clientId: settings.clientId ?? null,
    });
    if (app.orgId !== null) {
      throw new StoreError(
        `GITHUB_APP_ID: the App ${settings.appId} on ${settings.hostUrl} is connected by an organization already; delete its integration there first`,
      );
    }
    const secrets: [GithubSecretKind, string | undefined][] = [
      ['private_key', settings.privateKey],
      ['webhook_secret', settings.webhookSecret],
      ['client_secret', settings.clientSecret],
    ];
    for (const [kind, secret] of secrets) {
      if (!secret || !(await githubAppSecrets(trx, keyring).put(app.id, null, kind, secret))) continue;
      await appendAudit(trx, {
        orgId: null,
        actor: 'operator',
        action: 'github_app.secret_set',
        target: app.id,
        detail: { kind },
      });
    }
    await commandsIn(trx).add(await syncCommand(trx, app.id));
    return app;
  });
}
