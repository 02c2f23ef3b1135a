import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { createRateLimiter } from '../../api/http/rate-limit.ts';
import { loadConfig } from '../../config.ts';
import { type GithubApp, githubAppsIn } from '../../db/github/github-apps.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import type { Database } from '../../db/store/connection.ts';
import { createKeyring } from '../../db/store/sealing.ts';
import { createLogger } from '../../log.ts';

export const keyring = createKeyring([{ id: 'k1', key: new Uint8Array(randomBytes(32)) }]);
export const silent = createLogger('silent');
/** Tests send more requests from one address than the default limits allow. */
export const unlimited = createRateLimiter(
  { callerPerMinute: 0, publicPerMinute: 0, failuresPerMinute: 0 },
  new Registry(),
);

/** Returns the default rate limits of the product. */
export const productLimits = () => createRateLimiter(loadConfig({}).rateLimits, new Registry());

export async function addGithubApp(
  database: Database,
  {
    appId,
    secret,
    hostUrl = 'https://github.com',
    orgId = null,
  }: { appId: number; secret: string; hostUrl?: string; orgId?: string | null },
): Promise<GithubApp> {
  return database.write(async (trx) => {
    const app = await githubAppsIn(trx).upsert({
      orgId,
      hostUrl,
      apiUrl: hostUrl === 'https://github.com' ? 'https://api.github.com' : `${hostUrl}/api/v3`,
      appId,
      slug: 'fairlead',
      name: 'Fairlead',
      clientId: null,
    });
    await githubAppSecrets(trx, keyring).put(app.id, orgId, 'webhook_secret', secret);
    return app;
  });
}

export function sign(secret: string, body: string | Buffer): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

/** The headers that GitHub sends with a webhook. */
export function hookHeaders({
  appId,
  event,
  signature,
  guid = randomUUID(),
}: {
  appId: number;
  event: string;
  signature: string;
  guid?: string;
}): Record<string, string> {
  return {
    'content-type': 'application/json',
    'user-agent': 'GitHub-Hookshot/0123abc',
    'x-github-delivery': guid,
    'x-github-event': event,
    'x-github-hook-id': '42',
    'x-github-hook-installation-target-id': String(appId),
    'x-github-hook-installation-target-type': 'integration',
    'x-hub-signature-256': signature,
  };
}
