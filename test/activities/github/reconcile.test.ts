import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withFailures } from '../../../activities/failures.ts';
import { reconcileActivities, sweepStuck } from '../../../activities/github/reconcile.ts';
import { allBuilds } from '../../../db/builds/builds.ts';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { purgeCredentials } from '../../../db/secrets/credentials.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import { githubAppEvents, githubAppPermissions } from '../../../domain/github/github-permissions.ts';
import { reconcileWorkflowId } from '../../../domain/ops/workflow-ids.ts';
import type { App, GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring } from '../../support/hooks.ts';
import { giveApp } from '../../support/scenes/give-app.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addEverything, addOrg, addProject } from '../../support/scenes/tenants.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let theirs: App;
let githubAppId: string;
let orgId: string;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
});
afterAll(async () => {
  await database?.drop();
  await github?.close();
});

const here = () => `https://fairlead.example/v1/webhooks/github/${githubAppId}`;

beforeEach(async () => {
  github.faults.clear();
  theirs = github.addApp({ permissions: { ...githubAppPermissions }, events: [...githubAppEvents] });
  ({ id: githubAppId } = await addOperatorApp(database, github, { theirs }));
  orgId = await addOrg(database);
  // An App of the organization.
  await giveApp(database, githubAppId, orgId);
  Object.assign(theirs, { hookUrl: here(), contentType: 'json' });
  await database.write((trx) => trx('commands').delete());
});

const activities = (reachable = true) =>
  withFailures(
    reconcileActivities({
      database,
      broker: brokerTo(database, github),
      reachable,
      webhookUrlFor: (id) => `https://fairlead.example/v1/webhooks/github/${id}`,
    }),
  );
/** Compares the GitHub App as `reconcileApp` does, after a request. Without a request, nothing happens. */
const check = async (reachable = true): Promise<void> => {
  const [workflow, workflowId] = ['reconcileApp', reconcileWorkflowId(githubAppId)];
  await database.write((trx) => commandsIn(trx).add({ action: 'start', workflow, workflowId, input: { githubAppId } }));
  try {
    await new MockActivityEnvironment().run(activities(reachable).checkApp, { githubAppId });
  } finally {
    await database.write((trx) => trx('commands').where({ workflow_id: workflowId }).delete());
  }
};

async function open(subjectId = githubAppId) {
  const { items } = await allIncidents(database.reader).list({ limit: 50 }, { subjectId, status: 'open' });
  return items.map(({ code }) => code).sort();
}
const commands = () => database.reader('commands').orderBy('id').select('workflow', 'workflow_id', 'action');
const patches = () => github.requests({ method: 'PATCH', path: /^\/app\/hook\/config$/ });

describe('an App', () => {
  test('that is configured correctly is not changed, and its installations are read', async () => {
    const before = patches().length;
    await check();
    expect(await open()).toEqual([]);
    expect(patches()).toHaveLength(before);
    expect(await commands()).toMatchObject([{ workflow: 'syncInstallations', action: 'signal_with_start' }]);
  });

  test('with a wrong webhook URL or content type is fixed once, and keeps its secret', async () => {
    const secret = theirs.webhookSecret;
    for (const wrong of [{ hookUrl: 'https://elsewhere.example/hook' }, { contentType: 'form' }]) {
      Object.assign(theirs, wrong);
      const before = patches().length;
      await check();
      await check();
      expect(theirs).toMatchObject({ hookUrl: here(), contentType: 'json', webhookSecret: secret });
      expect(patches()).toHaveLength(before + 1);
      expect(patches().at(-1)?.body).not.toHaveProperty('secret');
    }
    expect(await open()).toEqual([]);
    const audited = await database.reader('audit_events').where({ target: githubAppId }).select('action', 'org_id');
    expect(audited).toContainEqual({ action: 'github_app.webhook_repaired', org_id: orgId });
  });

  test('of the operator is not changed, and has an incident until it is correct', async () => {
    await giveApp(database, githubAppId, null);
    theirs.hookUrl = 'https://elsewhere.example/hook';
    const before = patches().length;
    await check();
    expect(patches()).toHaveLength(before);
    expect(await open()).toEqual(['webhook_misdirected']);
    // The address that all Apps of the operator can share.
    theirs.hookUrl = 'https://fairlead.example/v1/webhooks/github';
    await check();
    expect(await open()).toEqual([]);
  });

  test('whose webhook cannot be fixed gets an incident', async () => {
    theirs.hookUrl = 'https://elsewhere.example/hook';
    github.faults.add({ method: 'PATCH', path: /hook\/config$/, kind: 'status', status: 403, times: 1 });
    await check();
    expect(await open()).toEqual(['webhook_misdirected']);
    await check();
    expect(await open()).toEqual([]);
  });

  test('can have any webhook URL if GitHub cannot reach Fairlead', async () => {
    theirs.hookUrl = 'https://nowhere.invalid/hook';
    await check(false);
    expect(theirs.hookUrl).toBe('https://nowhere.invalid/hook');
    expect(await open()).toEqual([]);
  });

  test('that requests too few permissions has an incident that names them, until it requests all', async () => {
    const { deployments: _, ...fewer } = githubAppPermissions;
    Object.assign(theirs, { permissions: fewer, events: githubAppEvents.filter((event) => event !== 'push') });
    await check();
    const [incident] = await database.reader('incidents').where({ subject_id: githubAppId, status: 'open' });
    expect(incident).toMatchObject({ code: 'app_incomplete', org_id: orgId });
    expect(incident?.title).toContain('deployments: write, the event push');
    expect(incident?.link).toContain(theirs.slug);
    Object.assign(theirs, { permissions: { ...githubAppPermissions }, events: [...githubAppEvents] });
    await check();
    expect(await open()).toEqual([]);
  });

  test('that GitHub rejects has one incident until it is accepted', async () => {
    const other = github.addApp();
    const rows = seed(database);
    const installationId = await rows.installation(githubAppId, 1);
    await rows.integration({ orgId, projectId: await addProject(database, orgId), githubAppId, installationId });
    const put = (key: string) =>
      database.write((trx) => githubAppSecrets(trx, keyring).put(githubAppId, null, 'private_key', key));
    await put(other.privateKey);
    await expect(check()).rejects.toMatchObject({ type: 'app_credentials_rejected', nonRetryable: true });
    await expect(check()).rejects.toThrow();
    expect(await open()).toEqual(['app_credentials_rejected']);
    await put(theirs.privateKey);
    await check();
    expect(await open()).toEqual([]);
  });

  test('whose host is unreachable is retried without an incident', async () => {
    github.faults.add({ path: /^\/app$/, kind: 'status', status: 503, times: 1 });
    await expect(check()).rejects.toMatchObject({ type: 'unavailable', nonRetryable: false });
    expect(await open()).toEqual([]);
  });
});

test('reconciles Apps that have integrations, and no others', async () => {
  const of = { orgId, projectId: await addProject(database, orgId) };
  const used = await addEverything(database, of);
  await giveApp(database, used.githubAppId, orgId);
  await database.write((trx) => trx('commands').delete());
  await activities().requestReconciliations();
  const asked = (await commands()).map(({ workflow_id: id }) => id);
  expect(asked).toContain(`reconcile/${used.githubAppId}`);
  // This App has no integration.
  expect(asked).not.toContain(`reconcile/${githubAppId}`);
});

describe('the check for stuck work', () => {
  const hour = 3_600_000;
  const tenant = async () => addEverything(database, { orgId, projectId: await addProject(database, orgId) });
  const age = (table: 'builds' | 'integrations', id: string, ms: number, more = {}) =>
    database.write((trx) =>
      trx(table)
        .where({ id })
        .update({ updated_at: Date.now() - ms, ...more }),
    );
  const startsOf = async (workflowId: string) => {
    const all = await commands();
    return all.filter((one) => one.workflow_id === workflowId && one.action === 'signal_with_start').length;
  };

  test('starts the workflow of a build without news, and opens an incident until the build ends', async () => {
    const { buildId } = await tenant();
    const clean = () => database.write((trx) => trx('commands').delete());
    await database.write((trx) => trx('incidents').where({ subject_id: buildId }).delete());
    await clean();
    await age('builds', buildId, 1.5 * hour);
    await sweepStuck(database);
    expect(await open(buildId)).toEqual([]);

    await age('builds', buildId, 2.1 * hour);
    await sweepStuck(database);
    await sweepStuck(database);
    expect(await open(buildId)).toEqual(['build_stuck']);
    expect(await startsOf(`build/${buildId}`)).toBe(1);

    await database.write((trx) => allBuilds(trx).moveStatus(buildId, 'failed'));
    expect(await open(buildId)).toEqual([]);
    await sweepStuck(database);
    expect(await open(buildId)).toEqual([]);
  });

  test('ignores a build that waits for a person', async () => {
    const { buildId } = await tenant();
    await database.write((trx) => trx('commands').delete());
    await age('builds', buildId, 30 * hour, { status: 'uncertain' });
    await sweepStuck(database);
    expect(await open(buildId)).toEqual(['dispatch_uncertain']);
    expect(await startsOf(`build/${buildId}`)).toBe(0);
  });

  test('restarts a deletion, and opens an incident after more than a week', async () => {
    const { integrationId } = await tenant();
    await age('integrations', integrationId, 2 * hour, { status: 'deleting' });
    await sweepStuck(database);
    expect(await startsOf(`delete/${integrationId}`)).toBe(1);
    expect(await open(integrationId)).toEqual([]);
    await age('integrations', integrationId, 9 * 24 * hour);
    await sweepStuck(database);
    expect(await open(integrationId)).toEqual(['deletion_stuck']);
    await age('integrations', integrationId, 0, { status: 'deleted' });
    await sweepStuck(database);
    expect(await open(integrationId)).toEqual([]);
  });

  test('resolves the incident of an old key when the new key is also destroyed', async () => {
    const [credential] = await database
      .reader('credentials')
      .where({ github_app_id: githubAppId, kind: 'private_key' })
      .select('id');
    const subjectId = credential?.id ?? '';
    await database.write((trx) =>
      allIncidents(trx).raise({ orgId, projectId: null, code: 'old_key_still_alive', subjectId }),
    );
    await sweepStuck(database);
    expect(await open(subjectId)).toEqual(['old_key_still_alive']);
    await database.write((trx) => purgeCredentials(trx, { github_app_id: githubAppId }));
    await sweepStuck(database);
    expect(await open(subjectId)).toEqual([]);
  });

  test('resolves incidents of resources that no longer exist', async () => {
    const { installationId, integrationId, buildId } = await tenant();
    const raise = (code: 'installation_unreadable' | 'installation_suspended', subjectId: string) =>
      database.write((trx) => allIncidents(trx).raise({ orgId, projectId: null, code, subjectId }));
    await raise('installation_unreadable', installationId);
    await raise('installation_suspended', integrationId);
    await sweepStuck(database);
    expect(await open(installationId)).toEqual(['installation_unreadable']);

    await database.write(async (trx) => {
      await trx('installations').where({ id: installationId }).update({ removed_at: 1 });
      await trx('integrations').where({ id: integrationId }).update({ status: 'deleted' });
      await trx('builds').where({ id: buildId }).update({ status: 'failed', finished_at: 1 });
    });
    await sweepStuck(database);
    for (const subject of [installationId, integrationId, buildId]) expect(await open(subject)).toEqual([]);
  });
});
