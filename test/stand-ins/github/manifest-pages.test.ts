import { expect, test } from 'vitest';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { createBrowser } from '../../support/browser.ts';
import { appJwt, ask } from './ask.ts';
import { github, receiver } from './installed.ts';
import { acme, bob } from './town.ts';

const manifest = {
  name: 'Fairlead of Acme',
  url: 'https://fairlead.example/',
  hook_attributes: { url: 'https://hooks.invalid/v1/webhooks/github', active: true },
  redirect_url: 'https://fairlead.example/created',
  callback_urls: ['https://fairlead.example/callback'],
  setup_url: 'https://fairlead.example/installed',
  public: false,
  setup_on_update: true,
  default_events: ['push'],
  default_permissions: { contents: 'read', members: 'read' },
};

function post(github: GitHubStandIn, given: unknown, path = '/settings/apps/new?state=s-1') {
  const form = { manifest: typeof given === 'string' ? given : JSON.stringify(given) };
  return createBrowser().visit(`${github.url}${path}`, { form, origin: 'https://fairlead.example' });
}

test.each(['github.com', 'ghes'] as const)(
  'turns a manifest on %s into an App once, with the chosen name',
  async (flavour) => {
    const standIn = await github({ flavour });
    const browser = createBrowser();
    const confirmation = await post(standIn, manifest);
    expect(browser.read(confirmation)).toContain('Simulated GitHub — nothing here is real');
    const back = await browser.press(confirmation, 'Create GitHub App for @octocat', { name: 'Fairlead 2' });
    expect(back.status).toBe(302);
    const { origin, pathname, searchParams } = new URL(back.location ?? '');
    expect([origin + pathname, searchParams.get('state')]).toEqual([manifest.redirect_url, 's-1']);

    const convert = () => ask(standIn.apiUrl, `POST /app-manifests/${searchParams.get('code')}/conversions`);
    const { status, body } = await convert();
    const owner = { login: 'octocat', type: 'User' };
    expect({ status, body }).toMatchObject({ status: 201, body: { name: 'Fairlead 2', slug: 'fairlead-2', owner } });
    expect(body['permissions']).toEqual({ metadata: 'read', contents: 'read', members: 'read' });
    expect(await convert()).toMatchObject({ status: 404 });
    expect(standIn.state.apps.get(Number(body['id']))).toMatchObject({
      hookUrl: manifest.hook_attributes.url,
      setupUrl: manifest.setup_url,
      callbackUrls: manifest.callback_urls,
      events: ['push'],
      public: false,
      setupOnUpdate: true,
      requestOauthOnInstall: false,
    });
    expect(standIn.violations).toEqual([]);
  },
);

test('rejects a code after an hour', async () => {
  const standIn = await github();
  const browser = createBrowser();
  const back = await browser.press(await post(standIn, manifest), /Create/);
  const code = new URL(back.location ?? '').searchParams.get('code');
  standIn.clock.skewMs = 3_600_001;
  expect(await ask(standIn.apiUrl, `POST /app-manifests/${code}/conversions`)).toMatchObject({ status: 404 });
});

test('lets only an owner of the organization register an App for it', async () => {
  const standIn = await github();
  const browser = createBrowser();
  const path = '/organizations/acme/settings/apps/new?state=s-1';
  standIn.addMembership(acme, undefined, 'admin');
  standIn.addMembership(acme, bob, 'member');
  const confirmation = await post(standIn, manifest, path);
  expect(browser.read(confirmation)).toContain('Create GitHub App for @acme');

  standIn.signInAs(bob);
  expect(await post(standIn, manifest, path)).toMatchObject({ status: 404 });
  expect(await browser.press(confirmation, /Create/)).toMatchObject({ status: 404 });
  expect(standIn.state.manifestCodes.size).toBe(0);
});

test.each([
  ['no JSON', '{', 'not a JSON object'],
  ['no name', { ...manifest, name: undefined }, 'name is required'],
  ['a long name', { ...manifest, name: 'x'.repeat(35) }, 'maximum is 34 characters'],
  ['no address', { ...manifest, url: undefined }, 'url must be a valid URL'],
  ['a hook without an address', { ...manifest, hook_attributes: {} }, 'hook_attributes.url must be a valid URL'],
  ['eleven callbacks', { ...manifest, callback_urls: Array(11).fill(manifest.url) }, 'no more than 10'],
  ['a setup address that GitHub would not use', { ...manifest, request_oauth_on_install: true }, 'setup_url cannot'],
  ['a key that GitHub does not know', { ...manifest, webhook_secret: 'x' }, 'webhook_secret is unknown'],
  ['an unknown level', { ...manifest, default_permissions: { contents: 'all' } }, 'must be read, write or admin'],
  ['a script in place of an address', { ...manifest, url: 'javascript:alert(1)' }, 'url must be a valid URL'],
])('rejects a manifest with %s', async (_, given, text) => {
  const shown = await post(await github(), given);
  expect(shown.status).toBe(422);
  expect(createBrowser().read(shown)).toContain(text);
});

test('accepts a name once, says so on the page, and keeps the other fields', async () => {
  const standIn = await github();
  const browser = createBrowser();
  standIn.addApp({ slug: 'fairlead-of-acme' });
  const again = await browser.press(await post(standIn, manifest), /Create/);
  expect(again.status).toBe(422);
  expect(browser.read(again)).toContain('already taken');
  const back = await browser.press(again, /Create/, { name: 'Another' });
  expect(new URL(back.location ?? '').searchParams.get('state')).toBe('s-1');
});

test('never includes a manifest’s text unescaped in the page', async () => {
  const shown = await post(await github(), { ...manifest, name: `"><script>alert(1)</script>` });
  expect(shown.text).not.toContain('<script');
  expect(shown.headers.get('content-security-policy')).toContain("default-src 'none'");
});

test('pings a new hook, fails at once for one under .invalid, and logs both', async () => {
  const standIn = await github();
  standIn.autoWebhooks = true;
  const { received, hookUrl } = await receiver();
  const created = await ask(
    standIn.apiUrl,
    `POST /app-manifests/${standIn.addManifestCode({ ...manifest, hook_attributes: { url: hookUrl } })}/conversions`,
  );
  expect(created.status).toBe(201);
  await expect.poll(() => received[0]?.headers['x-github-event']).toBe('ping');

  const code = standIn.addManifestCode(manifest);
  const { body } = await ask(standIn.apiUrl, `POST /app-manifests/${code}/conversions`);
  const app = standIn.state.apps.get(Number(body['id']));
  if (!app) throw new Error('There is no App');
  const authorization = appJwt(app);
  const log = () => ask(standIn.apiUrl, 'GET /app/hook/deliveries', { authorization });
  await expect
    .poll(async () => (await log()).body)
    .toMatchObject([{ event: 'ping', status_code: 502, status: 'failed to connect to host' }]);
  expect(standIn.violations).toEqual([]);
});
