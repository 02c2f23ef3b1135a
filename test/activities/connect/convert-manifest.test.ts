import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { githubAppsIn } from '../../../db/github/github-apps.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring } from '../../support/hooks.ts';
import { connectorTo, flowRows } from '../../support/scenes/connect-flow.ts';
import { connectSteps } from '../../support/scenes/connect-steps.ts';
import { seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let steps: ReturnType<typeof connectSteps>;
let rows: ReturnType<typeof flowRows>;
let owner: { orgId: string; projectId: string };

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  steps = connectSteps(database, connectorTo(database, github));
  rows = flowRows(database, github);
});

beforeEach(async () => {
  owner = await seed(database).org();
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});

afterAll(async () => {
  await github?.close();
  await database?.drop();
});

const path = /^\/app-manifests\//;
const received = async () => rows.withManifestCode(owner, github.addManifestCode({ name: 'Fairlead acme' }));
const convert = ({ id }: { id: string }) => steps.convertManifest({ flowId: id });
const integrationsOf = () => database.reader('integrations').where({ org_id: owner.orgId });
const theirNewest = () => [...github.state.apps.values()].at(-1);

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('a code that GitHub accepts', () => {
  test('becomes the App, its sealed secrets and a registered integration', async () => {
    const flow = await received();
    await convert(flow);

    const theirs = theirNewest();
    const app = await githubAppsIn(database.reader).find(flow.githubAppId);
    expect(app).toMatchObject({ orgId: owner.orgId, appId: theirs?.appId, clientId: theirs?.clientId });
    const secrets = githubAppSecrets(database.reader, keyring);
    expect(await secrets.privateKey(flow.githubAppId)).toBe(theirs?.privateKey);
    expect(await secrets.clientSecret(flow.githubAppId)).toBe(theirs?.clientSecret);
    expect(await secrets.webhookSecrets(flow.githubAppId)).toEqual([theirs?.webhookSecret]);

    const after = await rows.find(flow.id);
    expect(after).toMatchObject({ status: 'app_created', sealedManifestCode: null, conversionSentAt: null });
    expect(after.expiresAt).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    expect(await allIntegrations(database.reader).find(after.integrationId ?? '')).toMatchObject({
      status: 'registered',
      projectId: owner.projectId,
      displayName: 'GitHub: Fairlead acme',
      appSlug: 'fairlead-acme',
      createdBy: flow.createdBy,
    });
    const audits = await database.reader('audit_events').where({ org_id: owner.orgId }).orderBy('id');
    expect(audits.map(({ action, actor }) => [action, actor])).toEqual([
      ['github_app.created', flow.createdBy],
      ['integration.created', flow.createdBy],
    ]);
    const all = JSON.stringify([after, audits, await integrationsOf()]);
    for (const secret of [theirs?.privateKey, theirs?.clientSecret, theirs?.webhookSecret]) {
      expect(all).not.toContain(JSON.stringify(secret).slice(1, -1));
    }
  });

  test('is sent once, even if the activity runs several times', async () => {
    const flow = await received();
    const before = github.requests({ path }).length;
    await convert(flow);
    await convert(flow);
    expect(github.requests({ path })).toHaveLength(before + 1);
    expect(await integrationsOf()).toHaveLength(1);
  });

  test('creates one App in two concurrent attempts', async () => {
    const flow = await received();
    github.faults.add({ path, kind: 'slow', delayMs: 300, times: 1 });
    const ended = await Promise.allSettled([convert(flow), convert(flow)]);
    expect(ended.map(({ status }) => status)).toContain('fulfilled');
    expect(await rows.find(flow.id)).toMatchObject({ status: 'app_created' });
    expect(await integrationsOf()).toHaveLength(1);
    await convert(flow);
    expect(await rows.find(flow.id)).toMatchObject({ status: 'app_created' });
  });

  test('is not rejected for the second attempt while the first still holds the response', async () => {
    const flow = await received();
    const [answered, decided] = [gate(), gate()];
    let calls = 0;
    const connector = connectorTo(database, github);
    const racing = connectSteps(database, {
      ...connector,
      async convertManifest(wanted) {
        calls += 1;
        if (calls === 1) {
          await answered.opened;
          return connector.convertManifest(wanted);
        }
        const app = await connector.convertManifest(wanted);
        answered.open();
        await decided.opened;
        return app;
      },
    });
    const first = racing.convertManifest({ flowId: flow.id });
    await expect.poll(() => calls).toBe(1);
    const second = racing.convertManifest({ flowId: flow.id });
    await expect(first).rejects.toMatchObject({ type: 'conversion_under_way' });
    decided.open();
    await second;
    expect(await rows.find(flow.id)).toMatchObject({ status: 'app_created' });
  });

  test('is retried after a temporary failure', async () => {
    const flow = await received();
    for (const status of [401, 503]) {
      github.faults.add({ path, kind: 'status', status, times: 1 });
      await expect(convert(flow)).rejects.toMatchObject({ nonRetryable: false });
    }
    github.faults.add({ path, kind: 'reset', times: 1 });
    await expect(convert(flow)).rejects.toMatchObject({ nonRetryable: false });
    await convert(flow);
    expect(await rows.find(flow.id)).toMatchObject({ status: 'app_created' });
  });
});

describe('a code that GitHub rejects', () => {
  test('ends the flow, which the person can start again', async () => {
    const flow = await rows.withManifestCode(owner, 'unknown');
    await convert(flow);
    const after = await rows.find(flow.id);
    expect(after).toMatchObject({ status: 'failed', reason: 'manifest_code_refused', sealedManifestCode: null });
    expect(await integrationsOf()).toEqual([]);
  });

  test('after a lost response leaves an App at GitHub, and the flow’s detail names it', async () => {
    const flow = await rows.withManifestCode(owner, github.addManifestCode(), { accountLogin: 'acme' });
    github.faults.add({ path, kind: 'lost_answer', times: 1 });
    await expect(convert(flow)).rejects.toMatchObject({ nonRetryable: false });
    await convert(flow);
    const after = await rows.find(flow.id);
    expect(after).toMatchObject({ status: 'failed', reason: 'conversion_answer_lost' });
    expect(after.detail).toContain(`Delete the App Fairlead acme at ${github.url}/organizations/acme/settings/apps`);
    expect(after.detail).toContain('/v1/integrations/github/import');
    expect(await integrationsOf()).toEqual([]);
  });

  test('after the process died is given up only when the response can no longer arrive', async () => {
    const flow = await received();
    github.faults.add({ path, kind: 'lost_answer', times: 1 });
    await expect(convert(flow)).rejects.toThrow();
    // The process that died could not store that its response was lost.
    const sentAt = Date.now() - 5_000;
    await rows.note(flow.id, { conversionSentAt: sentAt });
    await expect(convert(flow)).rejects.toMatchObject({ type: 'conversion_under_way', nonRetryable: false });
    await expect(convert(flow)).rejects.toMatchObject({ type: 'conversion_under_way' });
    // Another attempt does not extend the deadline.
    expect(await rows.find(flow.id)).toMatchObject({ status: 'code_received', conversionSentAt: sentAt });
    await rows.note(flow.id, { conversionSentAt: sentAt - 45_000 });
    // A temporary rejection by GitHub also does not extend it.
    github.faults.add({ path, kind: 'status', status: 401, times: 1 });
    await expect(convert(flow)).rejects.toMatchObject({ type: 'conversion_unauthorized' });
    await convert(flow);
    expect(await rows.find(flow.id)).toMatchObject({ status: 'failed', reason: 'conversion_answer_lost' });
  });

  test('still works if the process died before it was sent', async () => {
    const flow = await received();
    await rows.note(flow.id, { conversionSentAt: Date.now() });
    await convert(flow);
    expect(await rows.find(flow.id)).toMatchObject({ status: 'app_created', conversionSentAt: null });
  });
});

test('a conversion that is given up after an hour says whether the App may exist', async () => {
  const [unasked, lost] = [await received(), await received()];
  await rows.note(lost.id, { conversionSentAt: 1 });
  for (const { id } of [unasked, lost]) await steps.giveUpConversion({ flowId: id, code: 'unavailable' });
  expect(await rows.find(unasked.id)).toMatchObject({ reason: 'manifest_code_refused' });
  expect((await rows.find(unasked.id)).detail).toContain('unavailable');
  expect(await rows.find(lost.id)).toMatchObject({ status: 'failed', reason: 'conversion_answer_lost' });
});

test('an App whose number belongs to another organization here is not taken over', async () => {
  const flow = await received();
  const other = await seed(database).org('other');
  const taken = { hostUrl: github.url, apiUrl: github.apiUrl, appId: github.state.lastId + 1, slug: 'x', name: 'x' };
  for (let ahead = 0; ahead < 5; ahead += 1) {
    const app = { ...taken, orgId: other.orgId, appId: taken.appId + ahead, clientId: null };
    const used = await database.write((trx) => githubAppsIn(trx).insert(app));
    const githubAppId = used?.id ?? '';
    const installationId = await seed(database).installation(githubAppId, 1);
    await seed(database).integration({ ...other, githubAppId, installationId });
  }
  await convert(flow);
  expect(await rows.find(flow.id)).toMatchObject({ status: 'failed', reason: 'github_app_exists' });
  expect(await githubAppsIn(database.reader).find(flow.githubAppId)).toBeUndefined();
  expect(await database.reader('credentials').where({ github_app_id: flow.githubAppId })).toEqual([]);
  expect(await integrationsOf()).toEqual([]);
});

test('an App that another organization has abandoned does not block the flow', async () => {
  const flow = await received();
  const other = await seed(database).org('other');
  github.state.lastId += 100;
  const left = { hostUrl: github.url, apiUrl: github.apiUrl, slug: 'x', name: 'x', orgId: other.orgId, clientId: null };
  for (let ahead = 0; ahead < 5; ahead += 1) {
    const appId = github.state.lastId + 1 + ahead;
    await database.write((trx) => githubAppsIn(trx).insert({ ...left, appId }));
  }
  await convert(flow);
  expect(await rows.find(flow.id)).toMatchObject({ status: 'app_created' });
  expect(await githubAppsIn(database.reader).find(flow.githubAppId)).toMatchObject({ orgId: owner.orgId });
});
