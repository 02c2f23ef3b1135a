import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { mintedTokensIn } from '../../db/exchange/minted-tokens.ts';
import { allOperations } from '../../db/ops/operations.ts';
import { githubAppSecrets } from '../../db/secrets/github-app-secrets.ts';
import { rotationsIn } from '../../db/secrets/rotations.ts';
import { githubAppPermissions } from '../../domain/github/github-permissions.ts';
import type { GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import * as workflows from '../../workflows/index.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { openOutside } from '../support/fakes/registries.ts';
import { startGitHub } from '../support/github.ts';
import { keyring } from '../support/hooks.ts';
import { connectorTo, flowRows } from '../support/scenes/connect-flow.ts';
import { addOperatorApp, brokerTo } from '../support/scenes/operator-app.ts';
import { workflowFile } from '../support/scenes/platform.ts';
import { seed } from '../support/scenes/seed.ts';
import { world } from '../support/scenes/world.ts';
import { connectTemporal } from '../support/temporal.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let temporal: Awaited<ReturnType<typeof connectTemporal>>;

beforeAll(async () => {
  [database, github, temporal] = await Promise.all([openTestDatabase(), startGitHub(), connectTemporal()]);
}, 60_000);

afterAll(async () => {
  await temporal?.close();
  await github?.close();
  await database?.drop();
});

/** Creates a tenant with one subject of every workflow. The database has decided no work for them. */
async function tenant(run: (name: keyof ReturnType<typeof createActivities>, input: unknown) => Promise<unknown>) {
  const rows = seed(database);
  const app = await addOperatorApp(database, github, { hostUrl: github.url });
  const installation = github.addInstallation(app.theirs, { permissions: { ...githubAppPermissions } });
  const workflowOfBuild = { workflows: { '.github/workflows/deploy.yml': workflowFile } };
  const repository = github.addRepository(installation, workflowOfBuild);
  const mine = await world(database, {
    githubAppId: app.id,
    theirs: { installation, repository },
    installation: { permissions: JSON.stringify(githubAppPermissions) },
  });
  const { orgId, projectId, integrationId, installationId } = mine;

  const running = await mine.newBuild();
  expect(await run('sendDispatch', { buildId: running.id, tries: 0 })).toEqual({ outcome: 'running' });
  await run('reportBuild', { buildId: running.id });
  const blocked = await mine.newBuild({ status: 'blocked' });
  await run('reportBuild', { buildId: blocked.id });

  // No build delays the deletion of this one.
  const unused = github.addInstallation(app.theirs);
  const idle = await world(database, {
    owner: { orgId, projectId },
    githubAppId: app.id,
    theirs: { installation: unused, repository: github.addRepository(unused) },
  });

  const expiresAt = Date.now() + 3_600_000;
  const token = { orgId, integrationId, installationId, token: `ghs_${randomUUID()}`, expiresAt };
  const flow = await flowRows(database, github).installing({ orgId, projectId }, app.id);
  const { mintedTokenId, rotationId } = await database.write(async (trx) => {
    const credential = await trx('credentials').where({ github_app_id: app.id, kind: 'webhook_secret' }).first();
    if (!credential) throw new Error('The App has no webhook secret');
    const { id: credentialId, org_id: ownerId } = credential;
    const of = { id: credentialId, orgId: ownerId, kind: 'webhook_secret' as const };
    const newVersion = await githubAppSecrets(trx, keyring).addPending(of, 'the next webhook secret');
    const operation = await allOperations(trx).insert({
      ...{ orgId, projectId, kind: 'rotate', subjectId: credentialId, workflowId: 'rotate/1' },
    });
    const rotation = await rotationsIn(trx).insert({
      ...{ orgId, projectId, integrationId, credentialId, newVersion, oldVersion: newVersion - 1 },
      ...{ operationId: operation.id, mode: 'auto', requestedBy: 'system' },
    });
    if (!rotation) throw new Error('There is a rotation already');
    // Its old version is valid for days.
    await rotationsIn(trx).move(rotation.id, 'overlapping');
    return { mintedTokenId: await mintedTokensIn(trx).insert(token, keyring), rotationId: rotation.id };
  });
  return {
    ...mine,
    idleId: idle.integrationId,
    running: running.id,
    blocked: blocked.id,
    flowId: flow.id,
    mintedTokenId,
    rotationId,
    cloudAccountId: await rows.cloudAccount({ orgId, projectId }),
    registryId: await rows.registry({ orgId, projectId }),
  };
}

type Tenant = Awaited<ReturnType<typeof tenant>>;
type Row = { input?: unknown; signals?: [name: string, input?: unknown][] };

const ended = { status: 'succeeded' };
const requested: Row['signals'] = [['requested']];
const atItsEnd = { page: null, confirmed: true, waiting: [], later: [], repositories: { page: 1 }, unreadable: 0 };

/** What an attacker who reaches Temporal can send, for each workflow of the bundle. */
const byHand: Record<keyof typeof workflows, (of: Tenant) => Row[]> = {
  checkRegistries: () => [{}],
  connectGithub: ({ flowId }) => [{ input: { flowId }, signals: [['changed'], ['installed']] }],
  deleteIntegration: ({ integrationId, idleId, registryId }) =>
    [integrationId, idleId, registryId].map((id) => ({ input: { integrationId: id } })),
  dispatchBuild: ({ running, blocked }) => [
    { input: { buildId: running, timeoutMinutes: 60 }, signals: [['reported', { runId: 1, ended }]] },
    { input: { buildId: running, timeoutMinutes: 60 }, signals: [['canceled']] },
    { input: { buildId: running, timeoutMinutes: 0 } },
    { input: { buildId: blocked, timeoutMinutes: 0 }, signals: [['reported', { runId: 1, ended }], ['canceled']] },
  ],
  reconcile: () => [{}],
  reconcileApp: ({ githubAppId }) => [{ input: { githubAppId }, signals: requested }],
  recoverAllDeliveries: () => [{}],
  recoverDeliveries: ({ githubAppId }) => [{ input: { githubAppId }, signals: requested }],
  refreshInstallation: ({ githubAppId, installation, repository }) => [
    { input: { githubAppId, installation, repositories: [repository] } },
    { input: { githubAppId, installation: 1, repositories: [repository] } },
  ],
  reportBuild: ({ running }) => [{ input: { buildId: running }, signals: [['moved']] }],
  revokeConsent: ({ cloudAccountId }) => [{ input: { cloudAccountId } }],
  revokeToken: ({ mintedTokenId }) => [{ input: { mintedTokenId } }],
  rotateCredential: ({ rotationId }) => [
    { input: { rotationId }, signals: [['changed']] },
    { input: { rotationId, goOn: { phase: 'overlapping', since: 0, pauseMs: 1, isReported: false } } },
  ],
  rotateSigningKeys: () => [{}],
  syncInstallations: ({ githubAppId, installationId }) => [
    { input: { githubAppId }, signals: requested },
    { input: { githubAppId, goOn: { position: atItsEnd, wanted: false } } },
    { input: { githubAppId, goOn: { position: { ...atItsEnd, waiting: [installationId] }, wanted: true } } },
  ],
  verifyCloudAccount: ({ cloudAccountId }) => [{ input: { cloudAccountId }, signals: requested }],
  verifyIntegration: ({ registryId }) => [{ input: { integrationId: registryId }, signals: requested }],
};

/** Returns every row of the database except commands, because the schedules request checks with commands. */
async function everyRow(): Promise<Record<string, unknown[]>> {
  const tables = [
    'orgs',
    'projects',
    'integrations',
    'bindings',
    'github_apps',
    'installations',
    'repositories',
  ] as const;
  const others = [
    'builds',
    'build_events',
    'dispatches',
    'minted_tokens',
    'leases',
    'rotations',
    'credentials',
  ] as const;
  const more = [
    'credential_versions',
    'connect_flows',
    'cloud_accounts',
    'operations',
    'incidents',
    'audit_events',
  ] as const;
  const names = [...tables, ...others, ...more];
  const read = await Promise.all(names.map((name) => database.reader(name as 'orgs').orderByRaw('1')));
  return Object.fromEntries(names.map((name, at) => [name, read[at] ?? []]));
}

test('a workflow started by hand changes nothing that the database has not decided', async () => {
  const activities = createActivities({
    database,
    keyring,
    broker: brokerTo(database, github),
    connector: connectorTo(database, github),
    ...openOutside(database),
    reachable: true,
    webhookUrlFor: (id) => `https://fairlead.example/v1/webhooks/github/${id}`,
  });
  const environment = new MockActivityEnvironment();
  const of = await tenant((name, input) => environment.run(activities[name] as never, input as never));
  await environment.run(activities.rotateSigningKeys);

  const taskQueue = `test-${randomUUID()}`;
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue,
    workflowBundle: { codePath: temporal.codePath },
    activities,
  });
  // The registration of the GitHub App has requested its first sync.
  await database.write((trx) => trx('commands').delete());
  const before = await everyRow();
  const asked = github.ledger.length;
  const started = Object.entries(byHand).flatMap(([name, rows]) => rows(of).map((row) => ({ name, ...row })));
  // The workflows of the schedules request the other workflows, so they come last.
  const schedules = started.filter(({ input }) => input === undefined);
  await worker.runUntil(async () => {
    for (const some of [started.filter((one) => !schedules.includes(one)), schedules]) {
      const handles = await Promise.all(
        some.map(async ({ name, input, signals = [] }) => {
          const args = input === undefined ? [] : [input];
          const workflowId = `by-hand/${name}/${randomUUID()}`;
          const handle = await temporal.client.workflow.start(name, { taskQueue, workflowId, args });
          return { handle, signals };
        }),
      );
      await sleep(1_500);
      for (const { handle, signals } of handles) {
        for (const [signal, input] of signals) {
          // The workflow may have ended.
          await handle.signal(signal, ...(input === undefined ? [] : [input])).catch(() => {});
        }
      }
      await sleep(2_500);
      const states = await Promise.all(handles.map(({ handle }) => handle.describe()));
      await Promise.all(handles.map(({ handle }) => handle.terminate('The test has ended').catch(() => {})));
      expect(states.filter(({ status }) => status.name === 'FAILED').map(({ type }) => type)).toEqual([]);
    }
  });

  const wrote = github.ledger
    .slice(asked)
    .filter(({ method, path }) => method !== 'GET' && !path.endsWith('/access_tokens'));
  expect(wrote.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  expect(await everyRow()).toEqual(before);
}, 60_000);

test('the list above has every workflow of the bundle', () => {
  const functions = Object.entries(workflows).filter(([, value]) => typeof value === 'function');
  expect(Object.keys(byHand).sort()).toEqual(functions.map(([name]) => name).sort());
});
