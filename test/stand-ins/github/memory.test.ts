import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startGitHub } from '../../support/github.ts';
import { appJwt, ask } from './ask.ts';
import { github } from './installed.ts';
import { acme } from './town.ts';

test('restores Apps with their keys, installations, repositories and heads from its file', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-stand-in-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const memoryFile = path.join(folder, 'github.json');
  const first = await startGitHub({ memoryFile });
  const app = first.addApp();
  const installation = first.addInstallation(app, { account: acme });
  const repository = first.addRepository(installation, { name: 'web' });
  const { after } = first.push(repository, { ref: 'refs/heads/main' });
  await first.close();
  expect(statSync(memoryFile).mode & 0o077).toBe(0);

  const second = await github({ memoryFile });
  const authorization = appJwt(app);
  const asked = await ask(second.apiUrl, `GET /app/installations/${installation.id}`, { authorization });
  expect(asked).toMatchObject({ status: 200, body: { account: { login: 'acme' } } });
  const minted = await ask(second.apiUrl, `POST /app/installations/${installation.id}/access_tokens`, {
    authorization,
  });
  const head = await ask(second.apiUrl, 'GET /repos/acme/web/branches/main', {
    authorization: `token ${minted.body['token']}`,
  });
  expect(head.body).toMatchObject({ commit: { sha: after } });
  expect(second.addApp().appId).toBeGreaterThan(repository.id);
  expect(second.violations).toEqual([]);
});
