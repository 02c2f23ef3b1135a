import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ConnectFlow } from '../../../db/connect/connect-flows.ts';
import { installationPayload } from '../../../stand-ins/github/events/payloads.ts';
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
let flow: ConnectFlow;
let number = 7_000;

const member: Account = { login: 'mona', id: 6_001, type: 'User' };
const another: Account = { login: 'hubot', id: 6_002, type: 'User' };

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
  flow = await rows.installing(owner, app.id);
  flow = { ...flow, integrationId: await rows.showIntegration(flow) };
  await rows.move(flow.id, 'awaiting_approval');
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  expect(github.requests({ path: /access_tokens$/ })).toEqual([]);
  github.faults.clear();
});

afterAll(async () => {
  await github?.close();
  await database?.drop();
});

async function signIn(user: Account): Promise<void> {
  await rows.land(flow, app.theirs, { user });
  await steps.identifyInstaller({ flowId: flow.id });
}

const look = async () => (await steps.lookForApproval({ flowId: flow.id })).outcome;
const step = async () => (await steps.readFlow({ flowId: flow.id })).step;
const now = () => rows.find(flow.id);
const confirm = () => rows.note(flow.id, { confirmedAt: Date.now() });
/** Applies the webhook of an approval as the relay does. */
const tell = (installation: Installation, requester?: Account) =>
  applyInstallation(database, app.id, installationPayload(github.state, installation, 'created', requester));

const recoveries = () => database.reader('commands').where({ workflow_id: `recover/${app.id}` });

async function prove({ isFirst = true } = {}): Promise<string> {
  const { outcome } = await steps.proveOwnership({ flowId: flow.id, isFirst });
  if (outcome === 'proven') await steps.bindInstallation({ flowId: flow.id });
  return outcome;
}

describe('a request that an owner approves', () => {
  test('is bound only after the requester confirms', async () => {
    await signIn(member);
    expect(await step()).toBe('look_for_approval');
    expect(await look()).toBe('unseen');
    const request = github.requestInstallation(app.theirs, organization, member);
    expect(await look()).toBe('pending');
    expect(await now()).toMatchObject({ requestedAccount: organization.id, requestedLogin: organization.login });

    const installation = await github.approveRequest(request);
    await tell(installation, member);
    expect(await look()).toBe('approved');
    expect(await now()).toMatchObject({ approvedInstallation: installation.id, confirmedAt: null });
    // From here on the flow waits for the person.
    expect(await step()).toBe('wait');
    expect(await steps.proveOwnership({ flowId: flow.id })).toEqual({ outcome: 'changed' });
    await steps.bindInstallation({ flowId: flow.id });
    expect(await database.reader('bindings').where({ owner_id: owner.projectId })).toEqual([]);

    await confirm();
    expect(await step()).toBe('prove');
    expect(await prove()).toBe('proven');
    const after = await now();
    expect(after).toMatchObject({ status: 'completed', reason: null });
    const integration = await database
      .reader('integrations')
      .where({ id: after.integrationId ?? '' })
      .first();
    expect(integration).toMatchObject({ status: 'active' });
    const [audit] = await database
      .reader('audit_events')
      .where({ action: 'integration.connected', org_id: owner.orgId });
    expect(JSON.parse(audit?.detail ?? '')).toMatchObject({ proof: 'requester' });
  });

  test('is recognized by its webhook if it was approved before the first look', async () => {
    await signIn(member);
    const installation = await github.approveRequest(github.requestInstallation(app.theirs, organization, member));
    await tell(installation, member);
    expect(await look()).toBe('approved');
    await confirm();
    expect(await prove()).toBe('proven');
  });

  test('is found if its webhook was missed, and waits until GitHub’s delivery log returns the webhook', async () => {
    await signIn(member);
    const request = github.requestInstallation(app.theirs, organization, member);
    await look();
    const installation = await github.approveRequest(request);
    expect(await look()).toBe('approved');
    await confirm();
    expect(await prove()).toBe('not_yet');
    expect(await recoveries()).toHaveLength(1);
    expect(await prove({ isFirst: false })).toBe('not_yet');
    expect(await recoveries()).toHaveLength(1);
    await tell(installation, member);
    expect(await prove({ isFirst: false })).toBe('proven');
    expect(await now()).toMatchObject({ status: 'completed' });
  });

  test('counts as gone, not as denied, while nothing is installed', async () => {
    await signIn(member);
    const request = github.requestInstallation(app.theirs, organization, member);
    await look();
    github.denyRequest(request);
    expect(await look()).toBe('gone');
    expect(await now()).toMatchObject({ status: 'awaiting_approval', approvedInstallation: null });
  });
});

describe('a flow ignores other approvals', () => {
  test('such as that of another person’s request', async () => {
    await signIn(member);
    const request = github.requestInstallation(app.theirs, organization, another);
    expect(await look()).toBe('unseen');
    await tell(await github.approveRequest(request), another);
    expect(await look()).toBe('unseen');
    expect(await now()).toMatchObject({ requestedAccount: null, approvedInstallation: null });
  });

  test('such as an owner’s own installation', async () => {
    await signIn(member);
    const request = github.requestInstallation(app.theirs, organization, member);
    await look();
    github.denyRequest(request);
    const installation = github.addInstallation(app.theirs, { account: organization });
    await tell(installation);
    expect(await look()).toBe('approved');
    await confirm();
    expect(await prove()).toBe('refused');
    expect(await database.reader('bindings').where({ owner_id: owner.projectId })).toEqual([]);
  });

  test('such as an owner’s own installation whose webhook is late, even if the person confirms first', async () => {
    await signIn(member);
    const request = github.requestInstallation(app.theirs, organization, member);
    await look();
    github.denyRequest(request);
    const installation = github.addInstallation(app.theirs, { account: organization });
    expect(await look()).toBe('approved');
    await confirm();
    expect(await prove()).toBe('not_yet');
    await steps.bindInstallation({ flowId: flow.id });
    expect(await now()).toMatchObject({ status: 'awaiting_approval', integrationId: flow.integrationId });
    await tell(installation);
    expect(await prove()).toBe('refused');
    expect(await database.reader('bindings').where({ owner_id: owner.projectId })).toEqual([]);
  });

  test('such as an approval from before this flow', async () => {
    const installation = github.addInstallation(app.theirs, { account: organization });
    installation.createdAt = Date.now() - 3 * 60_000;
    await tell(installation, member);
    await signIn(member);
    expect(await look()).toBe('unseen');
  });

  test('and asks GitHub nothing before the person has signed in', async () => {
    expect(await step()).toBe('wait');
    expect(await look()).toBe('changed');
  });
});

describe('an approval counts only for the account that the flow asked for', () => {
  let zeta: Account;
  let theta: Account;
  /** The flow of the same person for a project of another organization. */
  let second: ConnectFlow;

  beforeEach(async () => {
    zeta = { login: `Zeta${++number}`, id: number, type: 'Organization' };
    theta = { login: `Theta${++number}`, id: number, type: 'Organization' };
    second = await rows.installing(await seed(database).org('other'), app.id);
    await rows.move(second.id, 'awaiting_approval', { requestedAt: Date.now() });
  });

  const lookAs = async ({ id }: ConnectFlow) => (await steps.lookForApproval({ flowId: id })).outcome;
  const ask = (account: Account, person = member) => github.requestInstallation(app.theirs, account, person);
  const approve = async (request: ReturnType<typeof ask>) => {
    const installation = await github.approveRequest(request);
    await tell(installation, member);
    return installation;
  };
  async function signInTo(which: ConnectFlow, user = member): Promise<void> {
    await rows.land(which, app.theirs, { user });
    await steps.identifyInstaller({ flowId: which.id });
  }
  const bindingsOf = async () =>
    database.reader('bindings').whereIn('owner_id', [owner.projectId, second.projectId ?? '']);
  const choose = ({ id, login }: Account) => rows.note(flow.id, { requestedAccount: id, requestedLogin: login });

  test('does not count in a flow that asked for another account of the same person', async () => {
    await signIn(member);
    const asked = ask(zeta);
    expect(await look()).toBe('pending');
    await signInTo(second);
    const other = ask(theta);
    // The second flow began while both requests existed, so the person must choose its account.
    expect(await lookAs(second)).toBe('unclear');
    await rows.note(second.id, { requestedAccount: theta.id, requestedLogin: theta.login });
    const installation = await approve(other);
    expect(await look()).toBe('pending');
    expect(await now()).toMatchObject({ requestedAccount: zeta.id, approvedInstallation: null });
    expect(await lookAs(second)).toBe('approved');
    expect(await rows.find(second.id)).toMatchObject({ approvedInstallation: installation.id });
    // Zeta's owner denies. The approval of theta changes nothing about that.
    github.denyRequest(asked);
    expect(await look()).toBe('gone');
    expect(await now()).toMatchObject({
      approvedInstallation: null,
      detail: expect.stringContaining(`no longer lists your request for @${zeta.login}`),
    });
    expect(await step()).toBe('look_for_approval');
    await steps.endFlow({ flowId: flow.id, status: 'rejected', reason: 'request_denied_or_withdrawn' });
    expect(await now()).toMatchObject({ status: 'rejected', detail: expect.stringContaining(`@${zeta.login}`) });
  });

  test.each([
    ['number', (account: Account) => ({ account_id: account.id })],
    ['name', (account: Account) => ({ account_login: account.login.toUpperCase() })],
  ])('counts for the account that the start named by its %s', async (_, named) => {
    await database.write((trx) => trx('connect_flows').where({ id: flow.id }).update(named(zeta)));
    await signIn(member);
    await approve(ask(theta));
    ask(theta, another);
    expect(await look()).toBe('unseen');
    const request = ask(zeta);
    expect(await look()).toBe('pending');
    const installation = await approve(request);
    expect(await look()).toBe('approved');
    expect(await now()).toMatchObject({ requestedAccount: zeta.id, approvedInstallation: installation.id });
  });

  test('lets the person choose if GitHub lists several requests or approvals', async () => {
    await signIn(member);
    const request = ask(zeta);
    await approve(ask(theta));
    expect(await look()).toBe('unclear');
    expect(await now()).toMatchObject({
      requestedAccount: null,
      approvedInstallation: null,
      accountChoices: [
        { id: zeta.id, login: zeta.login },
        { id: theta.id, login: theta.login },
      ],
    });
    // A denied request stays among the choices, so that the account of another flow is not the only one left.
    github.denyRequest(request);
    expect(await look()).toBe('unclear');
    expect((await now()).accountChoices).toHaveLength(2);
    await choose(zeta);
    expect(await look()).toBe('gone');
    expect(await now()).toMatchObject({ requestedAccount: zeta.id, approvedInstallation: null });
  });

  test('lets the person choose if another flow can have made the only request', async () => {
    await signIn(member);
    await signInTo(second);
    ask(theta);
    expect([await look(), await lookAs(second)]).toEqual(['unclear', 'unclear']);
    await rows.note(second.id, { requestedAccount: theta.id });
    expect(await look()).toBe('unclear');
    await rows.move(second.id, 'canceled');
    expect(await look()).toBe('unclear');
  });

  test.each([
    ['before', { requestedAt: Date.now() }, -3 * 60_000],
    ['after', { requestedAt: Date.now() - 3 * 60_000 }, 0],
  ])('lets the person choose if the only request was made %s the flow was at GitHub', async (_, note, offsetMs) => {
    await rows.note(flow.id, note);
    await signIn(member);
    ask(theta).createdAt += offsetMs;
    expect(await look()).toBe('unclear');
  });

  test('stores the account name that GitHub returns at the approval', async () => {
    await signIn(member);
    const request = ask(zeta);
    await look();
    zeta.login = `renamed${zeta.id}`;
    await approve(request);
    expect(await look()).toBe('approved');
    expect(await now()).toMatchObject({ requestedLogin: zeta.login, accountLogin: null });
  });

  test('binds nothing else, even if the row names the installation of another account', async () => {
    await signIn(member);
    ask(zeta);
    await look();
    const installation = await approve(ask(theta));
    // The row as a bug could leave it.
    await rows.note(flow.id, { approvedInstallation: installation.id, confirmedAt: Date.now() });
    expect(await steps.proveOwnership({ flowId: flow.id })).toEqual({ outcome: 'refused', reason: 'account_mismatch' });
    await steps.bindInstallation({ flowId: flow.id });
    expect(await now()).toMatchObject({ status: 'rejected', reason: 'account_mismatch' });
    expect(await bindingsOf()).toEqual([]);
  });

  test('does not count for an installation that the browser names, if the start named another account', async () => {
    await database.write((trx) => trx('connect_flows').where({ id: flow.id }).update({ account_id: zeta.id }));
    const installation = await approve(ask(theta));
    await rows.move(flow.id, 'install_pending');
    await rows.land(flow, app.theirs, { installationId: installation.id, user: member });
    await steps.identifyInstaller({ flowId: flow.id });
    expect(await prove()).toBe('refused');
    expect(await bindingsOf()).toEqual([]);
  });

  test('does not count for another person who signs in to the same flow', async () => {
    await signIn(member);
    const installation = await approve(ask(zeta));
    expect(await look()).toBe('approved');
    await confirm();
    await signIn(another);
    expect(await now()).toMatchObject({
      githubUserId: another.id,
      requestedAccount: null,
      approvedInstallation: null,
      confirmedAt: null,
    });
    expect(await look()).toBe('unseen');
    expect(await now()).toMatchObject({ approvedInstallation: null });
    expect(installation.account.id).toBe(zeta.id);
  });

  test('does not count for the same account on another GitHub App', async () => {
    const elsewhere = await addOperatorApp(database, github, { hostUrl: github.url });
    await signIn(member);
    const request = github.requestInstallation(elsewhere.theirs, zeta, member);
    const installation = await github.approveRequest(request);
    const payload = installationPayload(github.state, installation, 'created', member);
    await applyInstallation(database, elsewhere.id, payload);
    expect(await look()).toBe('unseen');
    expect(await now()).toMatchObject({ requestedAccount: null, approvedInstallation: null });
    // A flow on the other GitHub App does not make the request of this one unclear.
    const theirs = await rows.installing(owner, elsewhere.id);
    await rows.move(theirs.id, 'awaiting_approval', { githubUserId: member.id, requestedAccount: zeta.id });
    ask(zeta);
    expect(await look()).toBe('pending');
  });

  test('treats a request that GitHub never lists as gone after ten minutes', async () => {
    await rows.note(flow.id, { requestedAt: Date.now() - 11 * 60_000 });
    await signIn(member);
    ask(zeta, another);
    expect(await look()).toBe('gone');
    expect((await now()).detail).toContain(`no request from @${member.login}`);
    const request = ask(zeta);
    request.createdAt -= 11 * 60_000;
    await database.write((trx) =>
      trx('connect_flows').where({ id: flow.id }).update({ created_at: request.createdAt }),
    );
    expect(await look()).toBe('pending');
    expect(await now()).toMatchObject({ requestedAccount: zeta.id, detail: null });
  });
});

describe('a flow that ends', () => {
  test('expires only when its time has passed', async () => {
    const expire = () => steps.endFlow({ flowId: flow.id, status: 'expired', reason: 'not_approved' });
    await expire();
    expect(await now()).toMatchObject({ status: 'awaiting_approval' });
    await rows.note(flow.id, { expiresAt: Date.now() - 1 });
    await expire();
    const after = await now();
    expect(after).toMatchObject({ status: 'expired', reason: 'not_approved' });
    const integration = await database
      .reader('integrations')
      .where({ id: after.integrationId ?? '' })
      .first();
    expect(integration).toMatchObject({ status: 'expired', status_reason: 'not_approved' });
  });

  test('keeps its first result', async () => {
    await rows.move(flow.id, 'canceled', {});
    await steps.endFlow({ flowId: flow.id, status: 'failed', reason: 'unavailable' });
    await signIn(member);
    expect(await now()).toMatchObject({ status: 'canceled', githubUserId: null });
    expect(await step()).toBe('over');
    expect(await steps.readFlow({ flowId: 'flow_0000000000000000000000000a' })).toMatchObject({ step: 'over' });
  });

  test('keeps the App that was created for it', async () => {
    const made = await rows.installing(owner, app.id, { kind: 'own' });
    const integrationId = await rows.showIntegration(made);
    await steps.endFlow({ flowId: made.id, status: 'canceled', reason: 'canceled_by_request' });
    const integration = await database.reader('integrations').where({ id: integrationId }).first();
    expect(integration).toMatchObject({ status: 'registered' });
  });
});
