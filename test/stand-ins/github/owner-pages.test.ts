import { expect, test } from 'vitest';
import type { Account } from '../../../stand-ins/github/stand-in.ts';
import { appJwt, ask } from './ask.ts';
import { receiver } from './installed.ts';
import { acme, bob, mallory, queryOf, setupUrl, town } from './town.ts';

const requestsPath = '/organizations/acme/settings/installation-requests';

test('shows the requester to an owner who approves, and returns the browser without a state', async () => {
  const { received, hookUrl } = await receiver();
  const { github, app, browser } = await town({ hookUrl });
  github.requestInstallation(app, acme, bob);
  const page = await browser.visit(`${github.url}${requestsPath}`);
  expect(browser.read(page)).toContain('fairlead, asked for by @bob');

  const back = await browser.press(page, 'Approve', { repository_selection: 'selected', repository_ids: '101' });
  const [installation] = [...github.state.installations.values()];
  expect(back.location).toContain(setupUrl);
  expect(queryOf(back)).toEqual({ installation_id: `${installation?.id}`, setup_action: 'install' });
  expect(github.state.installationRequests.size).toBe(0);
  await expect.poll(() => received.length).toBe(1);
  expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
    action: 'created',
    requester: { login: 'bob' },
    sender: { login: 'octocat' },
    repositories: [{ id: 101 }],
  });
});

test('reports no refusal to anyone, and lets only an owner decide', async () => {
  const { received, hookUrl } = await receiver();
  const { github, app, browser } = await town({ hookUrl });
  const request = github.requestInstallation(app, acme, bob);
  const page = await browser.visit(`${github.url}${requestsPath}`);
  for (const person of [bob, mallory]) {
    github.signInAs(person);
    expect(await browser.visit(`${github.url}${requestsPath}`)).toMatchObject({ status: 404 });
    expect(await browser.press(page, 'Approve')).toMatchObject({ status: 404 });
  }
  github.signInAs({ login: 'octocat', id: 583231, type: 'User' });
  expect((await browser.press(page, 'Deny')).location).toBe(`${github.url}${requestsPath}`);
  expect([...github.state.installationRequests]).toEqual([]);

  github.denyRequest(github.requestInstallation(app, acme, bob));
  await github.approveRequest(request, [102]);
  expect(received.map(({ body }) => JSON.parse(body).repositories)).toMatchObject([[{ id: 102 }]]);
});

test('shows an App its requests, page by page', async () => {
  const { github, app } = await town();
  const other = github.addApp({ slug: 'other' });
  github.requestInstallation(other, acme, bob);
  const people = Array.from({ length: 3 }, (_, id): Account => ({ login: `p${id}`, id: 500 + id, type: 'User' }));
  for (const person of people) github.requestInstallation(app, acme, person);
  const list = (query = '') =>
    ask(github.apiUrl, `GET /app/installation-requests${query}`, { authorization: appJwt(app) });
  expect((await list()).body).toMatchObject(
    people.map(({ login }) => ({ account: { id: 9000 }, requester: { login } })),
  );
  const second = await list('?per_page=2&page=2');
  expect(second.body).toMatchObject([{ requester: { login: 'p2' } }]);
  expect(second.headers.get('link')).toContain('rel="prev"');
  expect(github.violations).toEqual([]);
});

test('announces another choice of repositories, and redirects only if the App asks for it', async () => {
  const { received, hookUrl } = await receiver();
  const { github, app, browser } = await town({ hookUrl });
  const installation = github.addInstallation(app, { account: acme });
  installation.repositoryIds.add(101);
  const path = `/organizations/acme/settings/installations/${installation.id}`;
  const page = await browser.visit(`${github.url}${path}`);
  const saved = await browser.press(page, 'Save', { repository_selection: 'selected', repository_ids: '102' });
  expect(saved.location).toBe(`${github.url}${path}`);
  await expect.poll(() => received.map(({ body }) => JSON.parse(body).action)).toEqual(['added', 'removed']);
  expect(JSON.parse(received[1]?.body ?? '')).toMatchObject({ repositories_removed: [{ id: 101 }] });

  app.setupOnUpdate = true;
  const updated = await browser.press(await browser.visit(`${github.url}${path}`), 'Save', {
    repository_selection: 'all',
  });
  expect(queryOf(updated)).toEqual({ installation_id: `${installation.id}`, setup_action: 'update' });
});

test('lets an owner suspend, unsuspend and uninstall, and shows others nothing', async () => {
  const { received, hookUrl } = await receiver();
  const { github, app, browser } = await town({ hookUrl });
  const installation = github.addInstallation(app, { account: acme });
  const url = `${github.url}/settings/installations/${installation.id}`;
  for (const button of ['Suspend', 'Unsuspend', 'Uninstall']) {
    expect(await browser.press(await browser.visit(url), button)).toMatchObject({ status: 302 });
  }
  expect(await browser.visit(url)).toMatchObject({ status: 404 });
  await expect
    .poll(() => received.map(({ body }) => JSON.parse(body).action))
    .toEqual(['suspend', 'unsuspend', 'deleted']);

  const own = github.addInstallation(app, { account: acme });
  github.signInAs(bob);
  expect(await browser.visit(`${github.url}/settings/installations/${own.id}`)).toMatchObject({ status: 404 });
});

test('can switch the signed-in person', async () => {
  const { github, browser } = await town();
  const page = await browser.visit(`${github.url}/simulate`);
  expect(browser.read(page)).toMatch(/@octocat, owner of @acme @bob, member of @acme @mallory, in no organization/);
  const chosen = await browser.follow(await browser.press(page, 'Sign in', { person: 'bob' }));
  expect(browser.read(chosen)).toContain('Signed in as @bob');
  expect(await browser.press(page, 'Sign in', { person: 'acme' })).toMatchObject({ status: 404 });
});

test('moves the branch with the push button, and notifies every installed App', async () => {
  const { received, hookUrl } = await receiver();
  const { github, app, web, browser } = await town({ hookUrl });
  const installation = github.addInstallation(app, { account: acme });
  installation.repositoryIds.add(web.id);
  const deaf = github.addInstallation(github.addApp({ hookUrl, events: [] }), { account: acme });
  deaf.repositoryIds.add(web.id);
  const before = web.branches.get('main');
  const page = await browser.visit(`${github.url}/acme/web`);
  const done = await browser.follow(await browser.press(page, 'Push a commit', { branch: 'main', message: 'Fix' }));
  expect(browser.read(done)).toContain(web.branches.get('main')?.slice(0, 12));
  await expect.poll(() => received.length).toBe(1);
  expect(received[0]?.headers['x-hub-signature-256']).toMatch(/^sha256=/);
  expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
    ref: 'refs/heads/main',
    before,
    after: web.branches.get('main'),
    installation: { id: installation.id },
    head_commit: { message: 'Fix' },
  });
  github.startRun(web, { displayTitle: 'build 7' });
  expect(browser.read(await browser.visit(`${github.url}/acme/web`))).toMatch(/CI #1 build 7 main [0-9a-f]{12} queued/);
});

test('leaves an unknown page to the API, which returns 404', async () => {
  const { github } = await town();
  expect(await ask(github.url, 'GET /acme/nothing')).toMatchObject({ status: 404, body: { message: 'Not Found' } });
  expect(github.violations.splice(0)).toEqual(['GET /acme/nothing: there is no such operation']);
});

test('lets only its owner add a key to an App or delete it', async () => {
  const { github, app, browser } = await town();
  const installation = github.addInstallation(app, { account: acme });
  const url = `${github.url}/organizations/acme/settings/apps/fairlead`;
  const { text: key } = await browser.press(await browser.visit(url), 'Generate a private key');
  const asApp = (given: string) => ask(github.apiUrl, 'GET /app', { authorization: appJwt(app, { key: given }) });
  expect([await asApp(key), await asApp(app.privateKey)]).toMatchObject([{ status: 200 }, { status: 200 }]);

  github.signInAs(bob);
  expect(await browser.visit(url)).toMatchObject({ status: 404 });
  github.signInAs({ login: 'octocat', id: 583231, type: 'User' });
  await browser.press(await browser.visit(`${url}/advanced`), 'Delete GitHub App');
  expect(await asApp(key)).toMatchObject({ status: 404, body: { message: 'Integration not found' } });
  expect(github.state.installations.has(installation.id)).toBe(false);
});
