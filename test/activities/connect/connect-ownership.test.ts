import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ConnectFlow } from '../../../db/connect/connect-flows.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import type { Account, App, GitHubStandIn, Installation } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { applyInstallation, connectorTo, flowRows, giveClient } from '../../support/scenes/connect-flow.ts';
import { connectSteps } from '../../support/scenes/connect-steps.ts';
import { addOperatorApp } from '../../support/scenes/operator-app.ts';
import { seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let steps: ReturnType<typeof connectSteps>;
let rows: ReturnType<typeof flowRows>;
let owner: { orgId: string; projectId: string };
let app: { id: string; theirs: App };
let organization: Account;
let installation: Installation;
let number = 5_000;

const person = (login: string): Account => ({ login, id: ++number, type: 'User' });
const alice = person('alice');
const mallory = person('mallory');

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  steps = connectSteps(database, connectorTo(database, github));
  rows = flowRows(database, github);
});

beforeEach(async () => {
  owner = await seed(database).org();
  app = await addOperatorApp(database, github, { hostUrl: github.url });
  await giveClient(database, app.id, app.theirs);
  organization = { login: `org${++number}`, id: number, type: 'Organization' };
  installation = github.addInstallation(app.theirs, {
    account: organization,
    permissions: { ...app.theirs.permissions, members: 'read' },
  });
  github.addMembership(organization, alice, 'admin');
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  // In no case was a token of the installation created.
  expect(github.requests({ path: /access_tokens$/ })).toEqual([]);
  github.faults.clear();
});

afterAll(async () => {
  await github?.close();
  await database?.drop();
});

/** Runs the activities as the workflow does, without waiting. */
async function goThrough({ id: flowId }: ConnectFlow): Promise<ConnectFlow> {
  for (let at = 0; at < 10; at += 1) {
    const { step } = await steps.readFlow({ flowId });
    if (step === 'identify') await steps.identifyInstaller({ flowId });
    else if (step === 'prove') {
      const proof = await steps.proveOwnership({ flowId });
      if (proof.outcome === 'proven') await steps.bindInstallation({ flowId });
      if (proof.outcome === 'refused') await steps.endFlow({ flowId, status: 'rejected', reason: proof.reason });
      if (proof.outcome === 'not_yet') return rows.find(flowId);
    } else return rows.find(flowId);
  }
  throw new Error('The flow does not come to rest');
}

async function landed(user: Account, { id }: Installation = installation, whose = owner): Promise<ConnectFlow> {
  const flow = await rows.installing(whose, app.id);
  const integrationId = await rows.showIntegration(flow);
  await rows.land(flow, app.theirs, { installationId: id, user });
  return { ...flow, integrationId };
}

const rowOf = ({ id }: Installation) =>
  database.reader('installations').where({ github_app_id: app.id, external_id: id }).first();
const bindings = () => database.reader('bindings').where({ owner_id: owner.projectId });
const integration = (id: string | null) =>
  database
    .reader('integrations')
    .where({ id: id ?? '' })
    .first();
const audits = (action: string) => database.reader('audit_events').where({ org_id: owner.orgId, action });
const created = (sender: Account, requester?: Account, of = installation) =>
  applyInstallation(database, app.id, {
    ...github.installationPayload(of),
    sender: { id: sender.id, login: sender.login },
    ...(requester && { requester: { id: requester.id, login: requester.login } }),
  });

describe('a person who administers the account', () => {
  test('connects it: the integration is active, bound once, and the repositories are read', async () => {
    const flow = await landed(alice);
    const after = await goThrough(flow);
    expect(after).toMatchObject({
      status: 'completed',
      reason: null,
      integrationId: flow.integrationId,
      githubUserId: alice.id,
      githubLogin: 'alice',
      ownerProof: 'membership',
      sealedSignInCode: null,
    });
    const row = await rowOf(installation);
    expect(row).toMatchObject({ org_id: owner.orgId, account_login: organization.login });
    expect(await bindings()).toMatchObject([{ integration_id: flow.integrationId, installation_id: row?.id }]);
    expect(await integration(flow.integrationId)).toMatchObject({
      status: 'active',
      identity_key: `installation:${row?.id}`,
      display_name: `GitHub: ${organization.login}`,
    });
    const [audit] = await audits('integration.connected');
    expect(audit).toMatchObject({ actor: flow.createdBy, target: flow.integrationId });
    expect(JSON.parse(audit?.detail ?? '')).toMatchObject({
      proof: 'membership',
      github_user_id: alice.id,
      rebound: 0,
    });
    const commands = await database.reader('commands').where({ workflow_id: `sync/${app.id}` });
    expect(commands.length).toBeGreaterThan(0);
  });

  test('can be the account itself, if it is a personal account', async () => {
    const own = github.addInstallation(app.theirs, { account: alice });
    expect(await goThrough(await landed(alice, own))).toMatchObject({ status: 'completed', ownerProof: 'account' });
  });

  test('cannot add another account to an App by reauthorizing it', async () => {
    const first = await goThrough(await landed(alice));
    const others = [person('bob'), person('carol')].map((account) => ({
      account,
      at: github.addInstallation(app.theirs, { account }),
    }));
    const own = async (at: Installation, user: Account, reauthorizes: boolean) => {
      const integrationId = first.integrationId;
      const flow = await rows.installing(owner, app.id, { kind: 'own', integrationId, reauthorizes });
      await rows.land(flow, app.theirs, { installationId: at.id, user });
      return goThrough(flow);
    };
    const [{ account: bob, at: bobs }, { account: carol, at: carols }] = others as [
      (typeof others)[0],
      (typeof others)[0],
    ];
    expect(await own(bobs, bob, true)).toMatchObject({ status: 'rejected', reason: 'account_mismatch' });
    expect(await bindings()).toHaveLength(1);
    expect(await own(installation, alice, true)).toMatchObject({ status: 'completed' });
    // Connecting another account is allowed.
    expect(await own(carols, carol, false)).toMatchObject({ status: 'completed', reason: null });
    expect(await bindings()).toHaveLength(2);
  });

  test('can connect it to the same project again, which changes nothing', async () => {
    const first = await goThrough(await landed(alice));
    const again = await landed(alice);
    expect(await goThrough(again)).toMatchObject({
      status: 'completed',
      reason: 'already_connected',
      integrationId: first.integrationId,
    });
    expect(await integration(again.integrationId)).toMatchObject({ status: 'expired' });
    expect(await bindings()).toHaveLength(1);
  });

  test('connects a suspended account as suspended', async () => {
    github.suspend(installation);
    const after = await goThrough(await landed(alice));
    expect(after).toMatchObject({ status: 'completed' });
    expect(await integration(after.integrationId)).toMatchObject({ status: 'suspended' });
  });

  test('does not need a redirect if the installation was named at the start', async () => {
    const flow = await rows.installing(owner, app.id, { claimedInstallation: installation.id });
    await rows.land(flow, app.theirs, { user: alice });
    const after = await goThrough(flow);
    expect(after).toMatchObject({ status: 'completed' });
    expect(await integration(after.integrationId)).toMatchObject({ status: 'active', created_by: flow.createdBy });
  });

  test('adds a second account to the App of an integration', async () => {
    const integrationId = await seed(database).integration({
      ...owner,
      githubAppId: app.id,
      installationId: await seed(database).installation(app.id, ++number),
    });
    const flow = await rows.installing(owner, app.id, { kind: 'own', integrationId });
    await rows.land(flow, app.theirs, { installationId: installation.id, user: alice });
    expect(await goThrough(flow)).toMatchObject({ status: 'completed', integrationId });
    expect((await bindings()).map(({ integration_id }) => integration_id)).toEqual([integrationId, integrationId]);
    expect(await integration(integrationId)).toMatchObject({ status: 'active', identity_key: integrationId });
  });

  test('connects it for the whole organization, and a project’s apps need a grant to build', async () => {
    const former = await seed(database).integration({
      ...owner,
      githubAppId: app.id,
      installationId: await seed(database).installation(app.id, ++number),
    });
    const other = await seed(database).org('other');
    const installationId = await seed(database).installation(app.id, installation.id);
    const repositoryId = await seed(database).repository({ githubAppId: app.id, installationId, externalId: ++number });
    const source = { integrationId: former, repositoryId };
    const [appId, foreign] = [
      await seed(database).app({ ...owner, ...source }),
      await seed(database).app({ ...other, ...source }),
    ];
    const flow = await rows.installing(owner, app.id, { projectId: null, claimedInstallation: installation.id });
    await rows.land(flow, app.theirs, { user: alice });
    const { integrationId } = await goThrough(flow);
    expect(await integration(integrationId)).toMatchObject({ owner_id: owner.orgId, project_id: null });
    const sources = await database.reader('apps').whereIn('id', [appId, foreign]).orderBy('id');
    expect(sources.map((row) => row.source_integration_id)).toEqual([former, former]);
  });

  test('cannot connect it to an integration that was deleted in the meantime', async () => {
    const flow = await landed(alice);
    await database.write((trx) => allIntegrations(trx).moveStatus(flow.integrationId ?? '', 'deleting'));
    expect(await goThrough(flow)).toMatchObject({ status: 'canceled', reason: 'integration_deleted' });
    expect(await rowOf(installation)).toBeUndefined();
  });

  test('connects it once in two concurrent attempts', async () => {
    const flow = await landed(alice);
    await steps.identifyInstaller({ flowId: flow.id });
    await Promise.all([1, 2, 3].map(() => steps.bindInstallation({ flowId: flow.id })));
    expect(await rows.find(flow.id)).toMatchObject({ status: 'completed', reason: null });
    expect(await bindings()).toHaveLength(1);
    expect(await audits('integration.connected')).toHaveLength(1);
  });

  test('restores the source of the project’s former apps', async () => {
    const former = await seed(database).integration({
      ...owner,
      githubAppId: app.id,
      installationId: await seed(database).installation(app.id, 77),
    });
    const installationId = await seed(database).installation(app.id, installation.id);
    const repositoryId = await seed(database).repository({ githubAppId: app.id, installationId, externalId: ++number });
    const appId = await seed(database).app({ ...owner, integrationId: former, repositoryId });
    const after = await goThrough(await landed(alice));
    const [row] = await database.reader('apps').where({ id: appId });
    expect(row?.source_integration_id).toBe(after.integrationId);
    expect(after.rebound).toBe(1);
    const [audit] = await audits('integration.connected');
    expect(JSON.parse(audit?.detail ?? '')).toMatchObject({ rebound: 1 });
  });
});

/** Expects a rejected flow that leaves no data. */
async function expectRefused(flow: ConnectFlow, reason: string): Promise<void> {
  const after = await goThrough(flow);
  expect(after).toMatchObject({ status: 'rejected', reason, finishedAt: expect.any(Number) });
  expect(await bindings()).toEqual([]);
  expect(await integration(flow.integrationId)).toMatchObject({ status: 'expired', status_reason: reason });
  const [audit] = await audits('flow.rejected');
  expect(audit).toMatchObject({ target: flow.id, outcome: 'refused' });
}

describe('a person who does not administer the account', () => {
  test('is rejected with another person’s installation, and leaves no row', async () => {
    const flow = await landed(mallory);
    expect(await goThrough(flow)).toMatchObject({
      status: 'install_pending',
      githubUserId: mallory.id,
      ownerProof: null,
    });
    // The workflow waits for a webhook, which names another person.
    await steps.endFlow({ flowId: flow.id, status: 'rejected', reason: 'ownership_not_proven' });
    await expectRefused(flow, 'ownership_not_proven');
    expect(await rowOf(installation)).toBeUndefined();
    expect((await rows.find(flow.id)).detail).toContain('@mallory');
  });

  test('is rejected immediately if the installation is older than the flow', async () => {
    await seed(database).installation(app.id, installation.id, { created_at: Date.now() - 60_000 });
    await expectRefused(await landed(mallory), 'ownership_not_proven');
    expect(await rowOf(installation)).toMatchObject({ org_id: null });
  });

  test('is rejected immediately if GitHub says that the installation is older, before a sync has seen it', async () => {
    installation.createdAt -= 3_600_000;
    await expectRefused(await landed(mallory), 'ownership_not_proven');
    expect(await rowOf(installation)).toBeUndefined();
  });

  test('is rejected if the account belongs to another organization here, and so is the account’s owner', async () => {
    const victim = await seed(database).org('victim');
    const before = await goThrough(await landed(alice, installation, victim));
    expect(before).toMatchObject({ status: 'completed' });
    await expectRefused(await landed(mallory), 'ownership_not_proven');
    const flow = await landed(alice);
    expect(await goThrough(flow)).toMatchObject({ status: 'rejected', reason: 'installation_claimed' });
    expect(await bindings()).toEqual([]);
    expect(await integration(flow.integrationId)).toMatchObject({ status: 'expired' });
    expect(await rowOf(installation)).toMatchObject({ org_id: victim.orgId });
  });

  test('is rejected as a plain member, although members see the installation', async () => {
    github.addMembership(organization, mallory, 'member');
    await created(alice);
    await expectRefused(await landed(mallory), 'ownership_not_proven');
    expect(await rowOf(installation)).toMatchObject({ org_id: null });
  });

  test('cannot use a proof for their own account', async () => {
    const own = github.addInstallation(app.theirs, { account: mallory });
    const flow = await landed(mallory, own);
    await steps.identifyInstaller({ flowId: flow.id });
    expect(await rows.find(flow.id)).toMatchObject({ ownerProof: 'account', ownerProofAccount: mallory.id });
    // The row after a hypothetical bug: it claims another installation, with the proof for the first.
    await rows.note(flow.id, { claimedInstallation: installation.id });
    expect(await steps.proveOwnership({ flowId: flow.id })).toEqual({ outcome: 'not_yet' });
    await steps.bindInstallation({ flowId: flow.id });
    expect(await bindings()).toEqual([]);
    expect(await rowOf(installation)).toBeUndefined();
  });

  test('cannot change the claim while the sign-in is checked', async () => {
    const own = github.addInstallation(app.theirs, { account: mallory });
    const flow = await landed(mallory, own);
    github.faults.add({ path: /^\/user$/, kind: 'slow', delayMs: 300, times: 1 });
    const identified = steps.identifyInstaller({ flowId: flow.id });
    await rows.note(flow.id, { claimedInstallation: installation.id });
    expect(await identified).toEqual({ outcome: 'changed' });
    expect(await rows.find(flow.id)).toMatchObject({ githubUserId: null, ownerProof: null });
  });

  test('is rejected with an installation of another App, and with a deleted one', async () => {
    const elsewhere = github.addInstallation(github.addApp(), { account: mallory });
    await expectRefused(await landed(mallory, elsewhere), 'installation_gone');
    const flow = await landed(alice);
    github.uninstall(installation);
    expect(await goThrough(flow)).toMatchObject({ status: 'rejected', reason: 'installation_gone' });
  });
});

describe('a signed webhook', () => {
  test('proves the installer, if the organization hides its members’ roles', async () => {
    installation.permissions = { metadata: 'read' };
    const flow = await landed(alice);
    expect(await goThrough(flow)).toMatchObject({ status: 'install_pending', githubUserId: alice.id });
    await created(alice);
    const [nudge] = await database.reader('commands').where({ workflow_id: `connect-github/${flow.id}` });
    expect(nudge).toMatchObject({ action: 'signal_with_start', signal: 'installed' });
    expect(await goThrough(flow)).toMatchObject({ status: 'completed' });
    const [audit] = await audits('integration.connected');
    expect(JSON.parse(audit?.detail ?? '')).toMatchObject({ proof: 'sender' });
  });

  test('of an installation older than the flow proves nothing, even if it arrives late', async () => {
    installation.createdAt = Date.now() - 3 * 60_000;
    const flow = await landed(mallory);
    await created(mallory);
    await expectRefused(flow, 'ownership_not_proven');
  });

  test('counts if GitHub’s clock is slightly behind', async () => {
    installation.permissions = { metadata: 'read' };
    installation.createdAt = Date.now() - 60_000;
    const flow = await landed(alice);
    await created(alice);
    expect(await goThrough(flow)).toMatchObject({ status: 'completed' });
  });

  test('of another account proves nothing', async () => {
    const flow = await landed(mallory);
    await created(mallory);
    await database.write((trx) =>
      trx('installation_witnesses').where({ github_app_id: app.id }).update({ account_id: 1 }),
    );
    await expectRefused(flow, 'ownership_not_proven');
  });

  test('that is repeated does not change the stored installer', async () => {
    const flow = await landed(mallory);
    await created(alice);
    await created(mallory);
    await expectRefused(flow, 'ownership_not_proven');
  });
});

describe('two organizations at the same time', () => {
  test('compete, and one gets the account', async () => {
    const other = await seed(database).org('other');
    const flows = [await landed(alice), await landed(alice, installation, other)];
    for (const { id } of flows) await steps.identifyInstaller({ flowId: id });
    await Promise.all(flows.map(({ id }) => steps.bindInstallation({ flowId: id })));
    const ends = await Promise.all(flows.map(async ({ id }) => (await rows.find(id)).status));
    expect(ends.sort()).toEqual(['completed', 'rejected']);
    const row = await rowOf(installation);
    expect(await database.reader('bindings').where({ installation_id: row?.id ?? '' })).toHaveLength(1);
  });
});

describe('a sign-in', () => {
  const exchange = /^\/login\/oauth\/access_token$/;

  test('whose code is rejected or whose response is lost is repeated', async () => {
    const flow = await landed(alice);
    github.faults.add({ path: exchange, kind: 'lost_answer', times: 1 });
    expect(await steps.identifyInstaller({ flowId: flow.id })).toEqual({ outcome: 'sign_in_again' });
    expect(await rows.find(flow.id)).toMatchObject({
      status: 'install_pending',
      sealedSignInCode: null,
      githubUserId: null,
      detail: expect.stringContaining('sign in again'),
    });
    const code = await rows.land(flow, app.theirs, { user: alice });
    github.state.oauthCodes.delete(code);
    expect(await steps.identifyInstaller({ flowId: flow.id })).toEqual({ outcome: 'sign_in_again' });
    await rows.land(flow, app.theirs, { user: alice });
    expect(await goThrough(flow)).toMatchObject({ status: 'completed', detail: null });
  });

  test('leaves no user token behind', async () => {
    await goThrough(await landed(alice));
    expect([...github.state.userTokens.values()].filter(({ appId }) => appId === app.theirs.appId)).toEqual([]);
  });

  test('fails permanently if the App’s client secret is wrong', async () => {
    app.theirs.clientSecret = 'another';
    const flow = await landed(alice);
    await expect(steps.identifyInstaller({ flowId: flow.id })).rejects.toMatchObject({
      type: 'client_credentials_rejected',
      nonRetryable: true,
    });
  });
});
