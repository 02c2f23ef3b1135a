import { expect, onTestFinished, test } from 'vitest';
import { createGitHubConnector } from '../../../broker/connect/github-connect.ts';
import { createGitHubBroker } from '../../../broker/github/github.ts';
import { createTraffic } from '../../../broker/traffic/traffic.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { openTestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring } from '../../support/hooks.ts';
import { addOperatorApp, originsOf } from '../../support/scenes/operator-app.ts';

test('importing the operator’s App by its ID uses the rate limit of the importing organization, not of the App', async () => {
  const [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  onTestFinished(async () => {
    await github.close();
    await database.drop();
  });
  const fetch = createGuardedFetch({ allowedHosts: originsOf(github), timeoutMs: 10_000, maxBytes: 1_000_000 });
  const traffic = createTraffic();
  const connector = createGitHubConnector({ database, keyring, fetch, traffic });
  const broker = createGitHubBroker({ database, keyring, fetch, traffic });
  const operators = await addOperatorApp(database, github, { hostUrl: github.url });
  const installation = github.addInstallation(operators.theirs);
  const { privateKey } = github.addApp();
  const { appId } = operators.theirs;
  const bring = (orgId: string) =>
    connector
      .checkImport({ hostUrl: github.url, apiUrl: github.apiUrl, appId, privateKey, orgId })
      .catch(({ code }) => code);
  const checks = () => github.requests({ path: /^\/app$/ }).length;

  github.faults.add({ path: /^\/app$/, kind: 'secondary_limit', retryAfter: 600, times: 1 });
  expect(await bring('org_mallory')).toBe('secondary_limited');
  expect(await bring('org_mallory')).toBe('secondary_limited');
  expect(checks()).toBe(1);
  expect(await bring('org_other')).toBe('app_credentials_rejected');

  const asApp = await broker.asApp(operators.id);
  expect(await asApp.mintToken({ installationId: installation.id })).toMatchObject({ token: expect.any(String) });
});
