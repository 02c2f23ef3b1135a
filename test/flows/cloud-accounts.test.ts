import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publicUrl } from '../support/api.ts';
import { createBrowser } from '../support/browser.ts';
import { historyText } from '../support/canaries/history-text.ts';
import { googleClient, registryHosts } from '../support/fakes/clouds.ts';
import { type Account, type CloudFlow, startCloudFlow } from '../support/scenes/cloud-flow.ts';
import { type Way, waysInto } from '../support/scenes/cloud-ways.ts';

let flow: CloudFlow;
let ways: ReturnType<typeof waysInto>;

beforeAll(async () => {
  flow = await startCloudFlow();
  ways = waysInto(flow.clouds, await flow.issuerKey());
});
afterAll(() => flow?.stop());

const names = [
  'a role at AWS, by our own identity',
  'a role at AWS, by our issuer',
  'an access key at AWS',
  'a pool at Google, for a service account',
  'a service account’s key at Google',
  'an app at Azure, by our issuer',
  'an app at Azure, by a secret',
];
const openings = names.slice(0, 2).concat(names[3] ?? '');

function way(name: string): Way {
  const make = ways[name];
  if (!make) throw new Error(`There is no way ${name}`);
  return make();
}

const soon = { timeout: 15_000 };

describe('an account that is created, verified, used, changed and deleted', () => {
  test('is tested with every way into a cloud', () => {
    expect(names).toEqual(Object.keys(ways));
  });

  test.each(names)('returns credentials only while it is active: %s', async (name) => {
    const { body, trust, registry, repository, wrong, right, code, hasIssued, secrets } = way(name);
    const tenant = await flow.tenant();

    const account = await tenant.create(body);
    expect(account).toMatchObject({ status: 'pending', status_reason: null, checked_at: null });
    trust(account);
    await tenant.change(account, wrong);
    await expect
      .poll(() => tenant.read(account), soon)
      .toMatchObject({
        status: 'action_required',
        status_reason: code,
        next_action: expect.stringMatching(/./),
      });
    await tenant.change(account, right);
    await expect.poll(() => tenant.read(account), soon).toMatchObject({ status: 'active', status_reason: null });
    expect(await tenant.verify(account)).toMatchObject({ status: 'succeeded', error: null });
    expect(await tenant.read(account)).toMatchObject({
      status: 'active',
      status_reason: null,
      checked_at: expect.any(Number),
    });

    const integration = await tenant.connect(registry, account, [repository]);
    expect(integration).toMatchObject({ status: 'active', status_reason: null });
    expect(integration.registry.checks).toMatchObject([
      { repository, action: 'pull', outcome: 'allowed' },
      { repository, action: 'push', outcome: 'allowed' },
    ]);

    const app = await tenant.app(integration, repository);
    const pushing = await tenant.exchange({ purpose: 'push', app_id: app.id });
    expect(pushing.status).toBe(200);
    expect(hasIssued(pushing.body.password)).toBe(true);
    expect(await flow.images(registry, pushing.body, repository)).toEqual({ push: true, pull: true });
    const pulling = await tenant.exchange({ app_id: app.id, format: 'docker_config' });
    const { auths } = pulling.body.docker_config ?? {};
    const [username = '', ...rest] = Buffer.from(auths?.[registryHosts[registry]]?.auth ?? '', 'base64')
      .toString()
      .split(':');
    const password = rest.join(':');
    expect(hasIssued(password)).toBe(true);
    // Fairlead cannot narrow every credential: with the key of an AWS user, a pull credential can push as well.
    const isNarrow = name !== 'an access key at AWS';
    expect(await flow.images(registry, { username, password }, repository)).toEqual({ push: !isNarrow, pull: true });

    // A change that the cloud rejects changes nothing.
    const changed = await tenant.change(account, wrong);
    expect(changed).toMatchObject({ status: 'active', pending_config: expect.anything() });
    const { id = '' } = changed.operation ?? {};
    await expect
      .poll(() => tenant.operation({ id }), soon)
      .toMatchObject({ status: 'failed', error: { code, detail: expect.stringContaining('stays in use') } });
    expect((await tenant.exchange({ app_id: app.id })).status).toBe(200);
    await expect
      .poll(() => tenant.read(account), soon)
      .toMatchObject({ status: 'active', status_reason: null, pending_config: null });
    expect(await tenant.integration(integration)).toMatchObject({ status: 'active' });
    expect((await tenant.exchange({ app_id: app.id })).status).toBe(200);

    expect(await tenant.remove(account)).toMatchObject({ status: 409, body: { code: 'cloud_account_in_use' } });
    await tenant.disconnect(integration);
    expect(await tenant.exchange({ app_id: app.id })).toMatchObject({
      status: 409,
      body: { code: 'integration_deleted' },
    });
    expect((await tenant.remove(account)).status).toBe(204);
    expect((await tenant.client.send('GET', `/v1/cloud-accounts/${account.id}`)).status).toBe(404);
    const request = { provider: registry, registry: registryHosts[registry], cloud_account_id: account.id };
    expect(
      await tenant.client.send('POST', '/v1/integrations', { ...request, project_id: tenant.projectId }),
    ).toMatchObject({
      status: 422,
      body: { code: 'cloud_account_missing' },
    });

    expect(await tenant.audit(account)).toEqual([
      'created',
      'updated',
      `verified action_required ${code}`,
      'updated',
      'verified active',
      'verification_requested',
      'updated',
      `access_rejected ${code}`,
      'deleted',
    ]);
    await expectNoTrace(account, [...secrets, pushing.body.password, password]);
  });
});

describe('a new secret of a working account', () => {
  const replaceable = ['an access key at AWS', 'an app at Azure, by a secret'];

  test.each(replaceable)('is used once the cloud accepts it, and can be rolled back: %s', async (name) => {
    const { body, trust, registry, repository, addSecret } = way(name);
    const tenant = await flow.tenant();
    const account = await tenant.create(body);
    trust(account);
    await tenant.verify(account);
    const integration = await tenant.connect(registry, account, [repository]);
    const added = addSecret?.();
    if (!added) throw new Error('This way has one secret');

    let isDone = false;
    const results: number[] = [];
    const exchanging = (async () => {
      while (!isDone) results.push((await tenant.exchange({ integration_id: integration.id })).status);
    })();
    expect(await tenant.change(account, added.changes)).toMatchObject({
      status: 'active',
      pending_config: expect.anything(),
    });
    await expect.poll(() => statuses(account), soon).toEqual(['retiring', 'active']);
    expect(await tenant.read(account)).toMatchObject({ status: 'active', pending_config: null });
    expect(await tenant.rollBack(account)).toMatchObject({ status: 'succeeded' });
    expect(await statuses(account)).toEqual(['active', 'retiring']);
    await tenant.rollBack(account);
    expect(await statuses(account)).toEqual(['retiring', 'active']);
    isDone = true;
    await exchanging;
    expect(results.length).toBeGreaterThan(5);
    expect(new Set(results)).toEqual(new Set([200]));

    // If the cloud rejects the new secret later, the previous one is used again.
    added.end();
    expect(await tenant.verify(account)).toMatchObject({
      status: 'failed',
      error: { detail: expect.stringContaining('The previous access is in use again.') },
    });
    expect(await tenant.read(account)).toMatchObject({ status: 'active', status_reason: null });
    expect(await statuses(account)).toEqual(['active', 'retiring']);
    expect((await tenant.exchange({ integration_id: integration.id })).status).toBe(200);
    expect((await tenant.audit(account)).slice(-5)).toEqual([
      'access_replaced',
      'access_rolled_back',
      'access_rolled_back',
      'verification_requested',
      'access_rolled_back',
    ]);
  });

  async function statuses({ id }: { id: string }): Promise<string[]> {
    return flow.database
      .reader('credential_versions')
      .join('credentials', 'credentials.id', 'credential_versions.credential_id')
      .where({ cloud_account_id: id })
      .orderBy('version')
      .pluck('credential_versions.status');
  }
});

/** Checks that operators cannot read any secret, and that nothing sealed is left of a deleted account. */
async function expectNoTrace({ id }: Account, secrets: string[]): Promise<void> {
  const { reader } = flow.database;
  const history = await historyText(flow.workflows.getHandle(`verify-cloud/${id}`));
  const rows = await Promise.all(
    (['cloud_accounts', 'audit_events', 'commands', 'operations', 'integrations', 'leases'] as const).map((table) =>
      reader(table),
    ),
  );
  const text = history + JSON.stringify(rows);
  expect(text).toContain(id);
  for (const secret of secrets) expect(text.includes(JSON.stringify(secret).slice(1, -1))).toBe(false);
  const kept = await reader('credential_versions')
    .join('credentials', 'credentials.id', 'credential_versions.credential_id')
    .where({ cloud_account_id: id })
    .whereNotNull('sealed');
  expect(kept).toEqual([]);
}

describe('an account whose cloud trusts every tenant of this Fairlead', () => {
  test.each(openings)('fails its verification and returns no credential: %s', async (name) => {
    const { body, trust, trustAnybody, registry, repository } = way(name);
    const tenant = await flow.tenant();
    const account = await tenant.create(body);
    trustAnybody?.pass(account);
    const code = trustAnybody?.code ?? '';
    expect(await tenant.verify(account)).toMatchObject({ status: 'failed', error: { code } });
    expect(await tenant.read(account)).toMatchObject({ status: 'action_required', status_reason: code });
    const integration = await tenant.connect(registry, account, [repository]);
    expect(integration).toMatchObject({ status: 'reauth_required', status_reason: code });
    const asked = { integration_id: integration.id, repositories: [repository] };
    expect(await tenant.exchange(asked)).toMatchObject({ status: 409, body: { code: 'integration_unusable' } });

    trust(account);
    expect(await tenant.verify(account)).toMatchObject({ status: 'succeeded' });
    expect(await tenant.read(account)).toMatchObject({ status: 'active' });
  });
});

test('uses a person’s consent at Google, and revokes it when the account is deleted', async () => {
  const { google } = flow.clouds;
  const { clientId, clientSecret } = googleClient;
  const redirectUris = [`${publicUrl}/v1/cloud-accounts/gcp/callback`];
  google.state.clients.set(clientId, { secret: clientSecret, redirectUris });
  const upload = 'artifactregistry.repositories.uploadArtifacts';
  const download = 'artifactregistry.repositories.downloadArtifacts';
  google.state.grants.set('acme-by-ann/europe-west1/shop', new Map([['user:ann@acme.test', [download, upload]]]));
  const repository = 'acme-by-ann/shop/api';
  const tenant = await flow.tenant();
  const browser = createBrowser();
  const here = (url: string) => url.replace(publicUrl, flow.url);
  const { url } = await tenant.client.ask<{ url: string }>('POST', '/v1/cloud-accounts/gcp/start', {
    project_id: tenant.projectId,
  });
  const sent = await browser.press(await browser.visit(here(url)), 'Continue');
  await browser.visit(here(google.agree(new URL(sent.location ?? ''))));
  const [account] = await tenant.client.ask<Account[]>('GET', '/v1/cloud-accounts');
  if (!account) throw new Error('There is no account');
  expect(account).toMatchObject({ status: 'active' });

  const integration = await tenant.connect('gar', account, [repository]);
  expect(integration).toMatchObject({ status: 'active', status_reason: null });
  const asked = { integration_id: integration.id, repositories: [repository], purpose: 'push' };
  const given = await tenant.exchange(asked);
  expect(await flow.images('gar', given.body, repository)).toEqual({ push: true, pull: true });
  const [refreshToken = ''] = google.state.consents.keys();

  await tenant.disconnect(integration);
  // Google revokes the consent, but its response is lost.
  google.faults.add({ method: 'POST', path: /^\/revoke$/, kind: 'lost_answer', times: 1 });
  expect((await tenant.remove(account)).status).toBe(204);
  await expect.poll(() => google.state.consents.size, soon).toBe(0);
  await flow.workflows.getHandle(`revoke-consent/${account.id}`).result();
  const revocations = google.ledger.filter(({ path }) => path === '/revoke');
  expect(revocations).toHaveLength(2);
  expect(await tenant.client.ask('GET', '/v1/incidents?status=open')).toEqual([]);
  expect(await historyText(flow.workflows.getHandle(`revoke-consent/${account.id}`))).not.toContain(refreshToken);
});
