import { expect, test } from 'vitest';
import { receiver } from './installed.ts';
import { acme, bob, mallory, queryOf, town } from './town.ts';

test.each(['github.com', 'ghes'] as const)(
  'lets an owner install on %s and returns the browser with the state',
  async (flavour) => {
    const { received, hookUrl } = await receiver();
    const { github, browser, begin, app } = await town({ hookUrl, flavour });
    const page = await browser.visit(browser.link(await begin(), 'Install on @acme'));
    const back = await browser.press(page, 'Install', { repository_selection: 'selected', repository_ids: ['102'] });

    const [installation] = [...github.state.installations.values()];
    expect(installation).toMatchObject({ appId: app.appId, account: acme, repositorySelection: 'selected' });
    expect([...(installation?.repositoryIds ?? [])]).toEqual([102]);
    expect(back.location).toMatch(/^https:\/\/fairlead\.example\/installed\?/);
    expect(queryOf(back)).toEqual({ installation_id: `${installation?.id}`, setup_action: 'install', state: 's-1' });
    await expect.poll(() => received.length).toBe(1);
    expect(JSON.parse(received[0]?.body ?? '')).toMatchObject({
      action: 'created',
      requester: null,
      sender: { login: 'octocat' },
      repositories: [{ id: 102 }],
    });
  },
);

test('preselects an account, and includes all of its repositories, also later ones', async () => {
  const { github, browser, base } = await town();
  const page = await browser.visit(`${github.url}${base}/installations/new/permissions?target_id=9000&state=s-2`);
  expect(queryOf(await browser.press(page, 'Install'))).toMatchObject({ state: 's-2' });
  const later = github.addOwnRepository(acme, { name: 'later' });
  const [installation] = [...github.state.installations.values()];
  expect([...(installation?.repositoryIds ?? [])]).toEqual([101, 102, later.id]);
  // The account's own page says so the second time.
  const again = await browser.visit(`${github.url}${base}/installations/new?state=s-3&target_id=9000`);
  expect(browser.link(again, 'Configure @acme')).toContain(`/settings/installations/${installation?.id}`);
  expect(await browser.visit(`${github.url}${base}/installations/new/permissions?target_id=4711`)).toMatchObject({
    status: 404,
  });
});

test('sends code and installation to the first callback if an App also asks for authorization', async () => {
  const { browser, begin, app, github } = await town({ requestOauthOnInstall: true });
  const page = await browser.visit(browser.link(await begin(), 'Install on @octocat'));
  const back = await browser.press(page, 'Install');
  expect(back.location).toMatch(/^https:\/\/fairlead\.example\/callback\?/);
  const { code = '', ...rest } = queryOf(back);
  expect(rest).toEqual({ installation_id: expect.any(String), setup_action: 'install', state: 's-1' });
  expect(github.state.oauthCodes.get(code)).toMatchObject({ appId: app.appId, user: { login: 'octocat' } });
});

test('leaves the browser at its own page if the App names no URL', async () => {
  const { browser, begin, github, app } = await town();
  app.setupUrl = undefined;
  const page = await browser.visit(browser.link(await begin(), 'Install on @acme'));
  expect((await browser.press(page, 'Install')).location).toBe(`${github.url}/apps/fairlead`);
});

test('lets a member only request: no installation number comes back, and the App learns nothing', async () => {
  const { received, hookUrl } = await receiver();
  const { github, browser, begin, app } = await town({ hookUrl });
  github.signInAs(bob);
  const targets = await begin();
  const page = await browser.visit(browser.link(targets, 'Request for @acme'));
  const back = await browser.press(page, 'Request');
  expect(back.location).toMatch(/^https:\/\/fairlead\.example\/installed\?/);
  expect(queryOf(back)).toEqual({ setup_action: 'request', state: 's-1' });
  await browser.press(page, 'Request');
  expect([...github.state.installationRequests.values()]).toMatchObject([
    { appId: app.appId, account: acme, requester: bob },
  ]);
  expect([github.state.installations.size, received.length]).toEqual([0, 0]);
});

test("a private App is for its owner's account alone, and others do not see it", async () => {
  const { github, begin, browser } = await town({ public: false });
  expect(browser.read(await begin())).not.toContain('on @octocat');
  expect((await begin()).text).toContain('name="target_id" value="9000"');
  github.signInAs(mallory);
  expect(await begin()).toMatchObject({ status: 404 });
});

test('can lose a webhook on demand, and fails at once for an unreachable hook', async () => {
  const { received, hookUrl } = await receiver();
  const { github, browser, begin, app } = await town({ hookUrl });
  github.browserWebhooks = false;
  await browser.press(await browser.visit(browser.link(await begin(), 'Install on @acme')), 'Install');
  expect(github.state.deliveries).toEqual([]);
  github.browserWebhooks = true;
  app.hookUrl = 'https://hooks.invalid/';
  await browser.press(await browser.visit(browser.link(await begin(), 'Install on @octocat')), 'Install');
  await expect.poll(() => github.state.deliveries).toMatchObject([{ event: 'installation', statusCode: 502 }]);
  expect(received).toEqual([]);
});
