import { randomBytes, randomUUID } from 'node:crypto';
import { expect, vi } from 'vitest';
import { fingerprintOf } from '../../../stand-ins/github/credentials.ts';
import type { App } from '../../../stand-ins/github/stand-in.ts';
import { createBrowser, type Shown } from '../browser.ts';
import type { Client } from '../client.ts';
import type { AllInOne, Scene } from '../programs/product.ts';
import type { Canary } from './canaries.ts';
import { type Day, named } from './day.ts';
import { keyCanaries } from './keys.ts';

type Started = { flow_id: string; create_url: string; install_url: string };

export const secretsOf = (what: string, app: App): Canary[] => [
  ...keyCanaries(`the key of ${what}`, app.privateKey),
  { name: `the client secret of ${what}`, value: app.clientSecret },
  { name: `the webhook secret of ${what}`, value: app.webhookSecret },
];

/** An App that belongs to the organization, and the integration that connects it. */
export type OwnApp = { app: App; integrationId: string };

/** Connects with a manifest, with the operator's App and with an import, and causes errors in between. */
export async function connectAll({ scene, product, me }: Day): Promise<{ canaries: Canary[]; own: OwnApp }> {
  const { github } = scene;
  const [accessTokens, refreshTokens, codes] = [
    vi.spyOn(github.state.userTokens, 'set'),
    vi.spyOn(github.state.refreshTokens, 'set'),
    vi.spyOn(github.state.oauthCodes, 'set'),
  ];
  github.autoWebhooks = true;
  const made = await byManifest(scene, product, me);
  await byOperatorsApp(scene, product, me);
  const imported = await byImport(scene, me);
  github.autoWebhooks = false;

  const exchanged = github.requests({ path: /access_token$/ }).map(({ body }) => body as Record<string, string>);
  const verifiers = exchanged.flatMap(({ code_verifier: verifier }) => verifier ?? []);
  // One sign-in for each of the two flows, and another one for the lost answer.
  expect(new Set(verifiers).size).toBeGreaterThan(2);
  expect(accessTokens.mock.calls.length).toBeGreaterThan(1);
  const canaries = [
    ...made.canaries,
    ...imported,
    ...named('a PKCE verifier', verifiers),
    ...named('a sign-in’s code', [...codes.mock.calls.map(([code]) => code)]),
    ...named('a person’s token', [...accessTokens.mock.calls.map(([token]) => token)]),
    ...named('a person’s refresh token', [...refreshTokens.mock.calls.map(([token]) => token)]),
  ];
  return { canaries, own: made.own };
}

async function start(client: Client, body: Record<string, unknown>): Promise<Started> {
  const [project] = await client.ask<{ id: string }[]>('GET', '/v1/projects');
  const asked = { project_id: project?.id, ...body };
  const key = { 'idempotency-key': randomUUID() };
  const { status, body: started } = await client.send<Started>('POST', '/v1/integrations/github/start', asked, key);
  expect(status).toBe(200);
  return started;
}

const completed = (client: Client, { flow_id: id }: Started) =>
  expect
    .poll(async () => (await client.ask<{ status: string }>('GET', `/v1/flows/${id}`)).status, { timeout: 20_000 })
    .toBe('completed');

async function byManifest({ github }: Scene, product: AllInOne, client: Client) {
  const browser = createBrowser();
  const name = `Canary ${randomBytes(3).toString('hex')}`;
  const started = await start(client, { app_name: name });
  const form = await browser.press(await browser.visit(started.create_url), 'Continue');
  const back = await browser.press(await browser.press(form, /^Continue to/), /^Create GitHub App/);
  const code = new URL(back.location ?? '').searchParams.get('code') ?? '';
  // GitHub's error repeats the code, and Fairlead retries.
  const body = { message: `No ${code} now`, documentation_url: `https://docs.github.com/${code}` };
  github.faults.add({ path: /conversions$/, kind: 'status', status: 503, body, times: 1 });
  await strangers(product, client, back);
  const installing = await browser.follow(back);
  await browser.follow(await browser.press(await whereItGoesOn(browser, installing), 'Install'));
  await completed(client, started);
  // A reload of the page shows the result.
  await browser.follow(await browser.visit(back.location ?? ''));
  await client.ask('GET', '/v1/integrations');
  const app = [...github.state.apps.values()].find((one) => one.name === name);
  if (!app) throw new Error('No App was made');
  const { integration_id: integrationId } = await client.ask<{ integration_id: string }>(
    'GET',
    `/v1/flows/${started.flow_id}`,
  );
  const canaries: Canary[] = [{ name: 'the manifest’s code', value: code }, ...secretsOf('the new App', app)];
  return { canaries, own: { app, integrationId } };
}

/** A page of ours after a timeout while GitHub had not responded, or GitHub's own page. */
async function whereItGoesOn(browser: ReturnType<typeof createBrowser>, shown: Shown): Promise<Shown> {
  if (!shown.url.includes('/connect/')) return shown;
  return vi.waitFor(
    async () => {
      const page = await browser.visit(shown.url);
      return browser.follow(await browser.visit(browser.link(page, 'Choose an account on GitHub')));
    },
    { timeout: 20_000, interval: 300 },
  );
}

/** Other people know the URL, and try it. */
async function strangers({ publicUrl }: AllInOne, client: Client, { location = '' }: Shown): Promise<void> {
  const browser = createBrowser();
  const { searchParams } = new URL(location);
  const answers = [
    await browser.visit(location),
    await browser.visit(location.replace(/state=.{3}/, 'state=xyz')),
    await browser.visit(`${publicUrl}/v1/integrations/github/installed?installation_id=1&${searchParams}`),
    await client.send('POST', '/v1/integrations/github/complete', { state: searchParams.get('state'), code: 7 }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400]);
}

async function byOperatorsApp({ github, app }: Scene, { publicUrl }: AllInOne, client: Client): Promise<void> {
  app.setupUrl = `${publicUrl}/v1/integrations/github/installed`;
  app.callbackUrls = [`${publicUrl}/v1/integrations/github/callback`];
  const browser = createBrowser();
  const started = await start(client, { app: 'operator' });
  const choosing = await browser.follow(await browser.press(await browser.visit(started.install_url), 'Continue'));
  // The ticket is used.
  expect((await createBrowser().visit(started.install_url)).status).toBe(400);
  github.faults.add({ path: /\/login\/oauth\/access_token$/, kind: 'lost_answer', times: 1 });
  github.faults.add({ path: /^\/user$/, kind: 'status', status: 500, times: 1 });
  await browser.follow(await browser.press(choosing, 'Install'));
  await vi.waitFor(
    async () => {
      const page = await browser.visit(`${publicUrl}/connect/${started.flow_id}`);
      if (browser.read(page).includes('Connected')) return;
      await browser.follow(await browser.visit(browser.link(page, 'Sign in with GitHub')));
      throw new Error('Not yet connected');
    },
    { timeout: 30_000, interval: 500 },
  );
  await completed(client, started);
}

async function byImport({ github }: Scene, client: Client): Promise<Canary[]> {
  const [elsewhere, another] = [github.addApp(), github.addApp()];
  const [project] = await client.ask<{ id: string }[]>('GET', '/v1/projects');
  const body = {
    project_id: project?.id,
    app_id: elsewhere.appId,
    private_key: elsewhere.privateKey,
    webhook_secret: elsewhere.webhookSecret,
    client_secret: elsewhere.clientSecret,
  };
  const path = '/v1/integrations/github/import';
  const broken = `-----BEGIN RSA PRIVATE KEY-----\n${randomBytes(60).toString('hex')}\n-----END RSA PRIVATE KEY-----`;
  const send = async (changes: Record<string, unknown>) =>
    (await client.send('POST', path, { ...body, ...changes }, { 'idempotency-key': randomUUID() })).status;
  const statuses = [
    await send({ private_key: another.privateKey }),
    await send({ private_key: broken }),
    await send({ app_id: elsewhere.privateKey, client_secret: 7, webhook_secret: [another.webhookSecret] }),
    await send({}),
    await send({}),
  ];
  expect(statuses).toEqual([422, 400, 400, 201, 409]);
  const used = github.ledger.flatMap(({ credential }) => credential ?? []);
  expect(used).toContain(`key ${fingerprintOf(elsewhere.privateKey)}`);
  return [
    ...secretsOf('the imported App', elsewhere),
    ...secretsOf('another GitHub App', another),
    { name: 'what was no key', value: broken.split('\n')[1] ?? '' },
  ];
}
