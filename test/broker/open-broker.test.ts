import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { openBrokers } from '../../broker/open-broker.ts';
import { loadConfig } from '../../config.ts';
import { createLogger } from '../../log.ts';
import { openTestDatabase } from '../support/database.ts';
import { startGitHub } from '../support/github.ts';
import { keyring } from '../support/hooks.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';

test('reads the largest webhook that GitHub sends from its log', async () => {
  const database = await openTestDatabase();
  const github = await startGitHub();
  onTestFinished(async () => {
    await database.drop();
    await github.close();
  });
  const theirs = github.addApp();
  theirs.hookUrl = 'https://nowhere.invalid/hook';
  const repository = github.addRepository(github.addInstallation(theirs));
  const { id } = await addOperatorApp(database, github, { theirs });
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  await github.sendWebhook({ app: theirs, event: 'push', payload, guid: randomUUID() }).catch(() => {});
  const [entry] = github.state.deliveries;
  if (entry) entry.payload = { long: Array.from({ length: 25 * 1024 }, () => 'a'.repeat(1024)) };

  const config = loadConfig({ FAIRLEAD_ALLOWED_HOSTS: github.url });
  const { broker } = openBrokers(config, { database, keyring, where: '' }, createLogger('silent'));
  const asApp = await broker.asApp(id);
  const logged = await asApp.getHookDelivery(entry?.id ?? 0);
  expect(JSON.stringify(logged.payload).length).toBeGreaterThan(25 * 1024 * 1024);

  // No other answer of GitHub's is this long.
  const page = Array.from({ length: 100 }, () => ({ id: 1, more: 'a'.repeat(50_000) }));
  github.faults.add({ path: /^\/app\/installations$/, kind: 'status', status: 200, body: page });
  await expect(asApp.listInstallations()).rejects.toMatchObject({
    code: 'unexpected',
    message: expect.stringContaining('4194304 bytes'),
  });
  // The long body is not a valid list of installations.
  const complaints = new Set(github.violations.splice(0).map((text) => text.split(' must ')[0]));
  expect([...complaints]).toEqual(['GET /app/installations: answer 200: /0']);
});
