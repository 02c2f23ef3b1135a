import { Client, Connection } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { refreshWorkflowId } from '../../domain/ops/workflow-ids.ts';
import type { Account, Installation, Repository } from '../../stand-ins/github/stand-in.ts';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/programs/product.ts';
import { setUpApp, workflowFile } from '../support/scenes/platform.ts';

type View = Record<string, unknown>;

/** From the webhook's answer until the change shows. */
const promisedMs = 2_000;

let scene: Scene;
let product: AllInOne;
let connection: Connection;
let temporal: Client;
let projectId: string;
let main: { integrationId: string; appId: string };
let number = 20_000;
let account: Account;
let installation: Installation;
let repository: Repository;
let integrationId: string;
let appId: string;

beforeAll(async () => {
  scene = await startScene();
  product = await startAllInOne(scene);
  connection = await Connection.connect({ address: product.temporalAddress });
  temporal = new Client({ connection });
  const platform = await bind(scene, product.client);
  projectId = platform.projectId;
  main = platform;
}, 180_000);

/** A separate account for each test, with a repository that is built here. */
beforeEach(async () => {
  const { github, app } = scene;
  github.faults.clear();
  account = { login: `org-${++number}`, id: number, type: 'Organization' };
  installation = github.addInstallation(app, { account });
  repository = github.addRepository(installation, {
    name: `shop-${number}`,
    workflows: { '.github/workflows/deploy.yml': workflowFile },
  });
  await send('installation', github.installationPayload(installation));
  const body = { provider: 'github', installation_id: installation.id, project_id: projectId };
  const bound = () => product.client.ask<{ id: string }>('POST', '/v1/integrations', body);
  integrationId = (await vi.waitFor(bound, { timeout: 10_000, interval: 100 })).id;
  const made = await setUpApp(product.client, { projectId, integrationId, repositoryId: repository.id });
  appId = made.appId;
  // From here on no sync works, so changes come only from the event and from what it reads at once.
  github.faults.add({ method: 'GET', path: /^\/app\/installations$/, kind: 'status', status: 502 });
}, 60_000);

afterEach(() => expect(scene.github.violations).toEqual([]));

afterAll(async () => {
  await connection?.close();
  await product?.remove();
  await scene?.github.close();
}, 60_000);

async function send(event: string, payload: Record<string, unknown>): Promise<string> {
  const answer = await scene.github.sendWebhook({ app: scene.app, event, payload });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { delivery_id: string }).delivery_id;
}

/** Sends a webhook, and returns when Fairlead has decided what to do with it. */
async function sendDecided(event: string, payload: Record<string, unknown>): Promise<string> {
  const id = await send(event, payload);
  const decided = async () => expect((await delivery(id))['status']).not.toBe('received');
  await vi.waitFor(decided, { timeout: 10_000, interval: 20 });
  return id;
}

/** Sends a webhook about an installation, and returns when the refresh that it starts has ended. */
async function sendRefreshed(event: string, payload: Record<string, unknown>): Promise<void> {
  const refresh = temporal.workflow.getHandle(refreshWorkflowId(await sendDecided(event, payload)));
  await vi.waitFor(() => refresh.result(), { timeout: 10_000, interval: 50 });
}

/** Sends a push, and waits for its build. Fairlead handles deliveries in order, so it has handled all earlier ones. */
async function lookedAtAll(): Promise<void> {
  const later = scene.github.push(scene.repository, { ref: 'refs/heads/main' });
  await send('push', later);
  const latest = async () => {
    const [build] = await product.client.ask<View[]>('GET', `/v1/builds?app_id=${main.appId}`);
    expect(build).toMatchObject({ sha: later['after'] });
  };
  await vi.waitFor(latest, { timeout: 10_000, interval: 20 });
}

/** Sends a webhook and expects its effect in time. Returns how long it took. */
async function shows(event: string, payload: Record<string, unknown>, look: () => Promise<void>): Promise<number> {
  await send(event, payload);
  const begun = performance.now();
  await vi.waitFor(look, { timeout: promisedMs, interval: 20 });
  const took = Math.round(performance.now() - begun);
  console.info(`${event} ${payload['action']}: ${took} ms`);
  return took;
}

const delivery = (id: string) => product.client.ask<View>('GET', `/v1/deliveries/${id}`);
const integration = () => product.client.ask<View>('GET', `/v1/integrations/${integrationId}`);
const listed = (of = integrationId) => product.client.ask<View[]>('GET', `/v1/integrations/${of}/repositories`);
const installations = () => product.client.ask<View[]>('GET', `/v1/integrations/${integrationId}/installations`);
const builds = () => product.client.ask<View[]>('GET', `/v1/builds?app_id=${appId}`);
const repositoryIs = (expected: View) => async () => expect(await listed()).toMatchObject([expected]);
const statusIs = (status: string) => async () => expect(await integration()).toMatchObject({ status });

test('shows a suspension and its end', async () => {
  await shows('installation', scene.github.suspend(installation), statusIs('suspended'));
  await shows('installation', scene.github.unsuspend(installation), statusIs('active'));
});

test('ignores an unsuspension that arrives late or twice', async () => {
  const late = scene.github.unsuspend(installation);
  await shows('installation', scene.github.suspend(installation), statusIs('suspended'));
  await sendRefreshed('installation', late);
  await sendRefreshed('installation', late);
  await statusIs('suspended')();
});

test('ends a suspension whose webhook arrives after the unsuspension', async () => {
  const late = scene.github.suspend(installation);
  scene.github.unsuspend(installation);
  await send('installation', late);
  await vi.waitFor(statusIs('active'), { timeout: promisedMs, interval: 20 });
});

test('shows an uninstallation, and ignores a creation that arrives after it', async () => {
  const created = scene.github.installationPayload(installation);
  await shows('installation', scene.github.uninstall(installation), statusIs('disconnected'));
  await sendRefreshed('installation', created);
  await statusIs('disconnected')();
  expect(await listed()).toEqual([]);
});

test('shows repositories that are removed and added again', async () => {
  const removed = scene.github.removeRepository(repository);
  await shows('installation_repositories', removed, async () => expect(await listed()).toEqual([]));
  installation.repositoryIds.add(repository.id);
  const added = scene.github.repositoriesAdded(installation, [repository]);
  await shows('installation_repositories', added, repositoryIs({ provider_id: repository.id }));
  // The same webhook again, long after it stopped being true.
  await shows('installation_repositories', scene.github.removeRepository(repository), async () =>
    expect(await listed()).toEqual([]),
  );
  await sendRefreshed('installation_repositories', added);
  expect(await listed()).toEqual([]);
});

test('cancels builds that wait for a removed repository', async () => {
  const { github } = scene;
  github.faults.add({ method: 'POST', path: /\/dispatches$/, kind: 'rate_limit', retryAfter: 600 });
  const sent = github.push(repository, { ref: 'refs/heads/main' });
  await shows('push', sent, async () => expect(await builds()).toMatchObject([{ status: 'dispatching' }]));
  const refused = () => github.requests({ method: 'POST', path: new RegExp(`/${repository.name}/.*/dispatches$`) });
  await vi.waitFor(() => expect(refused()).not.toEqual([]), { timeout: 5_000, interval: 20 });
  const removed = github.removeRepository(repository);
  await shows('installation_repositories', removed, async () =>
    expect(await builds()).toMatchObject([{ status: 'canceled', reason: 'repository_removed' }]),
  );
  const late = github.push(repository, { ref: 'refs/heads/main' });
  const id = await send('push', late);
  await lookedAtAll();
  // The delivery waits, because its repository might become known later.
  expect(await delivery(id)).toMatchObject({ status: 'received' });
  expect(await builds()).toHaveLength(1);
});

test('cancels no builds when a removal arrives after the repository was added again', async () => {
  const { github } = scene;
  github.faults.add({ method: 'POST', path: /\/dispatches$/, times: 1, kind: 'rate_limit', retryAfter: 5 });
  await shows('push', github.push(repository, { ref: 'refs/heads/main' }), async () =>
    expect(await builds()).toMatchObject([{ status: 'dispatching' }]),
  );
  const late = github.removeRepository(repository);
  installation.repositoryIds.add(repository.id);
  const suspended = github.suspend(installation);
  github.unsuspend(installation);
  await send('installation_repositories', late);
  await send('installation', suspended);
  await send('push', github.push(repository, { ref: 'refs/heads/main' }));
  await vi.waitFor(async () => expect(await builds()).toMatchObject([{ status: 'running' }, { status: 'running' }]), {
    timeout: 20_000,
    interval: 50,
  });
});

test('neither binds nor builds a repository that takes over an old name, and still builds the renamed one', async () => {
  const { github } = scene;
  const oldName = repository.name;
  // GitHub's webhook has not arrived yet.
  github.renameRepository(repository, `moved-${number}`);
  const usurper = github.addRepository(installation, {
    name: oldName,
    private: false,
    workflows: { '.github/workflows/deploy.yml': workflowFile },
  });
  await shows('push', github.push(repository, { ref: 'refs/heads/main' }), async () =>
    expect(await builds()).toMatchObject([{ status: 'running' }]),
  );
  await send('push', github.push(usurper, { ref: 'refs/heads/main' }));
  await lookedAtAll();
  expect(await builds()).toHaveLength(1);
  const runs = [...github.state.runs.values()];
  expect(runs.filter(({ repositoryId }) => repositoryId === repository.id)).toHaveLength(1);
  expect(runs.filter(({ repositoryId }) => repositoryId === usurper.id)).toEqual([]);
  expect(await listed()).toMatchObject([{ provider_id: repository.id, name: `moved-${number}` }]);

  await send('installation_repositories', github.repositoriesAdded(installation, [usurper]));
  await vi.waitFor(async () => expect(await listed()).toHaveLength(2), { timeout: promisedMs, interval: 20 });
  await sendDecided('push', github.push(usurper, { ref: 'refs/heads/main' }));
  expect(await builds()).toHaveLength(1);
});

test('an account that is deleted and connected again has its apps back, and the first push starts a build', async () => {
  const { github, app } = scene;
  const { client } = product;
  const { operation } = await client.ask<{ operation: View }>('DELETE', `/v1/integrations/${integrationId}`);
  const ended = () => client.ask<{ operation: View }>('GET', `/v1/operations/${operation['id']}`);
  await expect.poll(async () => (await ended()).operation['status'], { timeout: 20_000 }).toBe('succeeded');
  expect(await client.ask('GET', `/v1/apps/${appId}`)).toMatchObject({ source_status: 'disconnected' });

  installation = github.addInstallation(app, { account });
  installation.repositoryIds.add(repository.id);
  repository.installationId = installation.id;
  await send('installation', github.installationPayload(installation));
  const body = { provider: 'github', installation_id: installation.id, project_id: projectId };
  const bound = () => client.ask<{ id: string; rebound: number }>('POST', '/v1/integrations', body);
  const again = await vi.waitFor(bound, { timeout: 10_000, interval: 100 });
  expect(again).toMatchObject({ status: 'active', rebound: 1 });
  expect(again.id).not.toBe(integrationId);
  await send('push', github.push(repository, { ref: 'refs/heads/main' }));
  const running = async () => expect(await builds()).toMatchObject([{ status: 'running' }]);
  await vi.waitFor(running, { timeout: 10_000, interval: 50 });
});

test('does not add a public repository because of an event', async () => {
  const elsewhere = scene.github.addOwnRepository(
    { login: 'others', id: 777, type: 'Organization' },
    { private: false },
  );
  await sendRefreshed('installation_repositories', scene.github.repositoriesAdded(installation, [elsewhere]));
  expect(await listed()).toMatchObject([{ provider_id: repository.id }]);
});

test('shows a repository’s name, visibility and archive state', async () => {
  const { github } = scene;
  const name = `renamed-${number}`;
  await shows('repository', github.renameRepository(repository, name), repositoryIs({ name }));
  const change = (what: Parameters<typeof github.changeRepository>[1]) => github.changeRepository(repository, what);
  await shows('repository', change('publicized'), repositoryIs({ visibility: 'public' }));
  await shows('repository', change('privatized'), repositoryIs({ visibility: 'private' }));
  await shows('repository', change('archived'), repositoryIs({ archived: true }));
  await shows('repository', change('unarchived'), repositoryIs({ archived: false }));
  await shows('repository', github.deleteRepository(repository), async () => expect(await listed()).toEqual([]));
});

test('shows an account’s new name, and the new names of its repositories', async () => {
  const login = `${account.login}-ltd`;
  await shows('installation_target', scene.github.renameAccount(installation, login), async () => {
    expect(await installations()).toMatchObject([{ account: { login, id: account.id } }]);
    expect(await listed()).toMatchObject([{ full_name: `${login}/${repository.name}` }]);
  });
});

test('moves an app along with its repository to another installation of the project', async () => {
  const { client } = product;
  const payload = scene.github.transferRepository(repository, scene.installation.account, scene.installation);
  await shows('repository', payload, async () => {
    expect(await listed()).toEqual([]);
    const app = await client.ask<View>('GET', `/v1/apps/${appId}`);
    expect(app).toMatchObject({ source: { integration_id: main.integrationId }, source_status: 'connected' });
  });
});

test('stops an app whose repository moved to an account without the GitHub App, and says so', async () => {
  const stranger: Account = { login: 'stranger', id: 778, type: 'Organization' };
  scene.github.transferRepository(repository, stranger);
  // GitHub only tells the former account that the repository has left its installation.
  const removed = scene.github.repositoriesRemoved(installation, [repository]);
  await shows('installation_repositories', removed, async () => {
    const app = await product.client.ask<View>('GET', `/v1/apps/${appId}`);
    expect(app).toMatchObject({ source_status: 'repository_removed' });
  });
});

test('shows permissions that are revoked and granted again', async () => {
  const { github } = scene;
  const { actions: _, ...fewer } = installation.permissions;
  const incidents = async () => {
    const all = await product.client.ask<View[]>('GET', '/v1/incidents?status=open');
    return all.filter(({ code, title }) => code === 'permissions_missing' && String(title).startsWith(account.login));
  };
  const approval = `/organizations/${account.login}/settings/installations/${installation.id}/permissions/update`;
  await shows('installation', github.acceptPermissions(installation, fewer), async () => {
    expect(await integration()).toMatchObject({ status: 'degraded', status_reason: 'permissions_missing' });
    const [view] = await installations();
    expect(view).toMatchObject({ drift: { missing: { actions: 'write' } } });
    expect(view).toHaveProperty('drift.approval_url', expect.stringMatching(new RegExp(`${approval}$`)));
    expect(await incidents()).toMatchObject([{ link: expect.stringContaining(approval) }]);
  });
  await shows('push', github.push(repository, { ref: 'refs/heads/main' }), async () =>
    expect(await builds()).toMatchObject([{ status: 'failed', reason: 'permission_missing' }]),
  );
  const granted = github.acceptPermissions(installation, { ...fewer, actions: 'write' });
  await shows('installation', granted, async () => {
    await statusIs('active')();
    expect(await incidents()).toEqual([]);
  });
});
