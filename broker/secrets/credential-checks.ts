import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { type Credential, credentialsIn } from '../../db/secrets/credentials.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { GitHub } from '../../providers/github/github.ts';

/** One version of one credential of an App. */
export type VersionAt = { credentialId: string; version: number };

/** Checks one version of an App's credential at GitHub. The secret is opened here, and goes to GitHub only. */
export function createCredentialChecks({
  database,
  keyring,
  githubOf,
}: {
  database: Database;
  keyring: Keyring;
  githubOf(app: GithubApp): GitHub;
}) {
  async function open({ credentialId, version }: VersionAt) {
    const credential = await credentialsIn(database.reader).find(credentialId);
    const app = credential?.githubAppId ? await githubAppsIn(database.reader).find(credential.githubAppId) : undefined;
    const secret = await githubAppSecrets(database.reader, keyring).secretOf(credentialId, version);
    if (credential && app && secret !== undefined) return { credential, app, secret };
    throw new ProviderError({ provider: 'github', code: 'gone', message: 'There is no such credential any more' });
  }

  return {
    /**
     * Returns whether GitHub accepts this version. A private key is tried by signing as the App, a client secret by
     * asking about a token that does not exist. Throws if GitHub says neither yes nor no.
     */
    async isAccepted(at: VersionAt): Promise<boolean> {
      const { credential, app, secret } = await open(at);
      const github = githubOf(app);
      if (credential.kind === 'client_secret') {
        return github.isClientAccepted({ clientId: requireClientId(app), clientSecret: secret });
      }
      requireKind(credential, 'private_key');
      try {
        // GitHub looks up the App by its ID, so a key of another App does not sign for this one.
        return (await github.asApp({ appId: app.appId, privateKey: secret }).getApp()).id === app.appId;
      } catch (error) {
        // No status: the key cannot be parsed. 404: the App no longer exists, which says nothing about the key.
        const isRefused = error instanceof ProviderError && error.code === 'app_credentials_rejected';
        if (isRefused && (error.status === 401 || error.status === undefined)) return false;
        throw error;
      }
    },

    /** Lets GitHub sign the App's webhooks with this version. Changes nothing else of the webhook. */
    async tellWebhookSecret(at: VersionAt): Promise<void> {
      const { credential, app, secret } = await open(at);
      requireKind(credential, 'webhook_secret');
      const privateKey = await githubAppSecrets(database.reader, keyring).privateKey(app.id);
      if (!privateKey) {
        const message = `The GitHub App ${app.slug} has no private key here`;
        throw new ProviderError({ provider: 'github', code: 'app_credentials_rejected', message });
      }
      const asApp = githubOf(app).asApp({ appId: app.appId, privateKey });
      const { url, insecureSsl } = await asApp.getHookConfig();
      await asApp.setHookSecret({ url, insecureSsl, secret });
    },
  };
}

function requireClientId({ clientId, slug }: GithubApp): string {
  if (clientId) return clientId;
  const message = `The GitHub App ${slug} has no client id here`;
  throw new ProviderError({ provider: 'github', code: 'client_credentials_rejected', message });
}

function requireKind({ kind }: Credential, wanted: string): void {
  if (kind !== wanted) throw new TypeError(`${kind} is no ${wanted}`);
}
