import { expect, onTestFinished, test } from 'vitest';
import { createTraffic, type TrafficWatch } from '../../../broker/traffic/traffic.ts';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { githubHost } from '../../../domain/github/github-host.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { createGitHub } from '../../../providers/github/github.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { startGitHub } from '../../support/github.ts';

async function scene(watch?: TrafficWatch) {
  const [standIn, other] = [await startGitHub(), await startGitHub()];
  onTestFinished(() => Promise.all([standIn.close(), other.close()]).then(() => {}));
  const steady = { ms: 0 };
  const traffic = createTraffic({ steady: () => steady.ms, ...(watch && { watch }) });
  const fetch = createGuardedFetch({
    allowedHosts: parseAllowedHosts([standIn.url, other.url].join(',')),
    timeoutMs: 10_000,
    maxBytes: 1_000_000,
  });
  const clientOf = (one: GitHubStandIn, urgent = false) => {
    const host = githubHost(one.url, one.apiUrl);
    const gates = { traffic: traffic.of(host), webTraffic: traffic.ofWeb(host) };
    return createGitHub({ host, fetch, ...gates, timeoutMs: 10_000, urgent });
  };
  const installed = (one: GitHubStandIn) => {
    const app = one.addApp();
    const installation = one.addInstallation(app);
    const repository = one.addRepository(installation);
    return { app, installation, repository };
  };
  return { standIn, other, steady, traffic, clientOf, installed };
}

async function withTokenOf(
  { clientOf }: Awaited<ReturnType<typeof scene>>,
  standIn: GitHubStandIn,
  { app, installation }: { app: { appId: number; privateKey: string }; installation: { id: number } },
) {
  const minted = await clientOf(standIn).asApp(app).mintToken({ installationId: installation.id });
  return clientOf(standIn).withToken(minted.token, installation.id);
}

const codeOf = (error: unknown) => (error as { code?: string }).code;

test('sends no request for a limited installation before the reset, but does for another', async () => {
  const all = await scene();
  const { standIn, steady, installed } = all;
  const [one, two] = [installed(standIn), installed(standIn)];
  const [first, second] = [await withTokenOf(all, standIn, one), await withTokenOf(all, standIn, two)];
  standIn.faults.add({ path: /^\/repositories\//, kind: 'rate_limit', retryAfter: 600, times: 1 });
  const ask = (client: typeof first, { id }: { id: number }) =>
    client.getRepositoryById(id).then(() => 'answered', codeOf);
  const asked = () => standIn.requests({ path: /^\/repositories\// }).length;

  expect(await ask(first, one.repository)).toBe('rate_limited');
  const refused = await first.getRepositoryById(one.repository.id).catch((error) => error);
  expect(refused).toMatchObject({ code: 'rate_limited', ambiguous: false });
  expect(refused.retryAfterMs).toBeGreaterThan(590_000);
  expect(asked()).toBe(1);
  expect(await ask(second, two.repository)).toBe('answered');

  steady.ms += 602_000;
  expect(await ask(first, one.repository)).toBe('answered');
});

test('knows that a dispatch that was held back was not sent', async () => {
  const all = await scene();
  const { standIn, installed } = all;
  const one = installed(standIn);
  const client = await withTokenOf(all, standIn, one);
  standIn.faults.add({ path: /dispatches$/, kind: 'secondary_limit', retryAfter: 60, times: 1 });
  const wanted = { fullName: one.repository.fullName, workflow: 'deploy.yml', ref: 'main', inputs: {} };

  for (const _ of [1, 2]) {
    const refused = await client.dispatchWorkflow(wanted).catch((error) => error);
    expect(refused).toMatchObject({ code: 'secondary_limited', ambiguous: false });
  }
  expect(standIn.requests({ path: /dispatches$/ })).toHaveLength(1);
});

test('leaves a host alone that is down, calls others, and notices when it is back', async () => {
  const told: string[] = [];
  const watch: TrafficWatch = { down: (_, forMs) => told.push(`down ${forMs}`), up: () => {}, clock: () => {} };
  const all = await scene(watch);
  const { standIn, other, steady, clientOf, installed, traffic } = all;
  const [{ app }, elsewhere] = [installed(standIn), installed(other)];
  standIn.faults.add({ path: /^\/app$/, kind: 'status', status: 503 });
  const getApp = () => clientOf(standIn).asApp(app).getApp();

  for (let count = 0; count < 5; count += 1) await getApp().catch(() => {});
  const refused = await getApp().catch((error) => error);
  expect(refused).toMatchObject({ code: 'unavailable', retryAfterMs: 5_000, ambiguous: false });
  const held = await clientOf(standIn)
    .asApp(app)
    .mintToken({ installationId: 1 })
    .catch((error) => error);
  expect(held).toMatchObject({ code: 'unavailable', ambiguous: false });
  expect(standIn.requests({ path: /^\/app/ })).toHaveLength(5);
  expect(traffic.hostsDown()).toHaveLength(1);
  expect((await clientOf(other).asApp(elsewhere.app).getApp()).id).toBe(elsewhere.app.appId);

  steady.ms += 61_000;
  await getApp().catch(() => {});
  expect(told.at(-1)).toBe('down 61000');
  standIn.faults.clear();
  steady.ms += 15_000;
  expect((await getApp()).id).toBe(app.appId);
  expect(traffic.hostsDown()).toEqual([]);
});

test.each([15, -15])('GitHub’s clock is %i minutes ahead: at most one rejection, then it is known', async (minutes) => {
  const all = await scene();
  const { standIn, clientOf, installed, traffic } = all;
  const { app, installation } = installed(standIn);
  standIn.clock.skewMs = minutes * 60_000;
  const asApp = () => clientOf(standIn).asApp(app);

  expect((await asApp().getApp()).id).toBe(app.appId);
  const refusals = standIn.requests({ path: /^\/app$/ }).filter(({ status }) => status === 401);
  expect(refusals.length).toBeLessThanOrEqual(1);

  const minted = await asApp().mintToken({ installationId: installation.id });
  expect(standIn.requests({ path: /access_tokens$/ }).map(({ status }) => status)).toEqual([201]);
  // It lives an hour by our clock, as it does by GitHub's.
  expect(Math.abs(minted.expiresAt - Date.now() - 3_600_000)).toBeLessThan(5_000);
  expect(Math.abs(traffic.clockOffByMs() + minutes * 60_000)).toBeLessThan(2_000);

  // Our clock was corrected, so the old difference is forgotten.
  standIn.clock.skewMs = 0;
  expect((await asApp().getApp()).id).toBe(app.appId);
  expect(traffic.clockOffByMs()).toBe(0);
});

test('blames the other host’s clock if one host agrees with ours', async () => {
  const { standIn, other, clientOf, installed, traffic } = await scene();
  standIn.clock.skewMs = 900_000;
  await clientOf(standIn).asApp(installed(standIn).app).getApp();
  expect(traffic.clockOffByMs()).toBeLessThan(-890_000);
  await clientOf(other).asApp(installed(other).app).getApp();
  expect(traffic.clockOffByMs()).toBe(0);
});

test('takes GitHub’s text without a header as a rate limit, too', async () => {
  const all = await scene();
  const { standIn, installed } = all;
  const one = installed(standIn);
  const client = await withTokenOf(all, standIn, one);
  const message = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
  standIn.faults.add({ path: /^\/repositories\//, kind: 'status', status: 403, body: { message }, times: 1 });
  for (const _ of [1, 2]) {
    const refused = await client.getRepositoryById(one.repository.id).catch((error) => error);
    expect(refused).toMatchObject({ code: 'secondary_limited' });
  }
  expect(standIn.requests({ path: /^\/repositories\// })).toHaveLength(1);
});

const anonymous = { 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '0' };

test.each([
  ['a rejected token', { kind: 'status', status: 401, times: 60 }, 'token_rejected'],
  [
    'bad credentials with another status',
    { kind: 'rate_limit', retryAfter: 3_000, body: { message: 'Bad credentials' }, times: 1 },
    'rate_limited',
  ],
  ['the limit of our address', { kind: 'status', status: 403, headers: anonymous, times: 1 }, 'rate_limited'],
  ['the figures of our address', { kind: 'status', status: 404, headers: anonymous, times: 1 }, 'not_found'],
] as const)('%s does not use up the limit of the installation', async (_, fault, code) => {
  const all = await scene();
  const { standIn, installed } = all;
  const one = installed(standIn);
  const client = await withTokenOf(all, standIn, one);
  standIn.faults.add({ path: /^\/repositories\/\d+\/?$/, ...fault });
  for (let sent = 0; sent < fault.times; sent += 1) {
    const refused = await client.getRepositoryById(one.repository.id).catch((error) => error);
    expect(refused?.code ?? 'not_found').toBe(code);
    // The workflow of a build waits this long.
    if (fault.kind === 'status') expect(refused?.retryAfterMs ?? 0).toBeLessThanOrEqual(60_000);
  }
  expect((await client.getRepositoryById(one.repository.id))?.id).toBe(one.repository.id);
});

test('sends no sign-in request to a host that is down, and still calls the API when the pages are down', async () => {
  const { standIn, clientOf, traffic } = await scene();
  standIn.faults.add({ path: /^\/login\/oauth\/access_token$/, kind: 'status', status: 503 });
  const exchange = () =>
    clientOf(standIn)
      .exchangeCode({ clientId: 'one', clientSecret: 'secret', code: 'code' })
      .catch((error) => error);
  for (let count = 0; count < 5; count += 1) expect(await exchange()).toMatchObject({ ambiguous: true });
  expect(await exchange()).toMatchObject({ code: 'unavailable', ambiguous: false });
  expect(standIn.requests({ path: /access_token$/ })).toHaveLength(5);
  const github = githubHost('https://github.com');
  expect(traffic.ofWeb(github)).not.toBe(traffic.of(github));
});
