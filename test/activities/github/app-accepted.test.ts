import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deliveryActivities } from '../../../activities/deliveries/recovery.ts';
import { withFailures } from '../../../activities/failures.ts';
import { recoverCommand } from '../../../db/deliveries/delivery-log.ts';
import { applyInstallationEvent } from '../../../db/github/apply-installation-event.ts';
import { followInstallations } from '../../../db/github/follow-installations.ts';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import { readGitHubEvent } from '../../../domain/deliveries/github-events.ts';
import { githubAppPermissions } from '../../../domain/github/github-permissions.ts';
import { addClientSecret, addKey, deleteKey } from '../../../stand-ins/github/credentials.ts';
import type { GitHubStandIn, Installation } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring } from '../../support/hooks.ts';
import { brokerTo } from '../../support/scenes/operator-app.ts';
import { type RotationScene, rotationScene } from '../../support/scenes/rotation-scene.ts';
import { sync, syncActivities } from '../../support/scenes/sync-pass.ts';

const rejected = 'app_credentials_rejected';

let github: GitHubStandIn;
let api: TestApi;
let scene: RotationScene;
let installation: Installation;

beforeAll(async () => {
  github = await startGitHub();
  api = await startApi();
});
beforeEach(async () => {
  github.faults.clear();
  scene = await rotationScene(api, github);
  installation = [...github.state.installations.values()].at(-1) as Installation;
  installation.permissions = { ...githubAppPermissions };
});
afterAll(async () => {
  await api?.stop();
  await github?.close();
});

const broker = () => brokerTo(api.database, github);
const pass = () => sync(api.database, broker(), scene.githubAppId);
const failSync = async (code = rejected) => {
  const { githubAppId } = scene;
  const activities = syncActivities(api.database, broker());
  await activities.beginSync({ githubAppId });
  await activities.finishSync({ githubAppId, failure: { code, detail: 'GitHub does not accept it' } });
};
const finishRecovery = async (failure?: { code: string; detail: string }) => {
  await api.database.write(async (trx) => commandsIn(trx).add(await recoverCommand(trx, scene.githubAppId)));
  return new MockActivityEnvironment().run(
    withFailures(deliveryActivities({ database: api.database, broker: broker(), reachable: true })).finishRecovery,
    { githubAppId: scene.githubAppId, ...(failure && { failure }) },
  );
};

async function status(): Promise<string> {
  const row = await api.database.reader('integrations').where({ id: scene.integrationId }).first();
  return [row?.status, row?.status_reason].filter(Boolean).join(': ');
}
const isOpen = () => allIncidents(api.database.reader).isOpen(rejected, scene.githubAppId);
const apply = (payload: unknown) =>
  api.database.write((trx) =>
    applyInstallationEvent(trx, scene.githubAppId, readGitHubEvent('installation', payload) as never),
  );

describe('when GitHub rejects the App’s key', () => {
  test.each([
    ['of an organization', false, /rotate to it/],
    ['of the operator', true, /GITHUB_APP_PRIVATE_KEY/],
  ])('the action for an App %s is one that its owner can take', async (_, isOperators, action) => {
    const { githubAppId } = scene;
    if (isOperators)
      await api.database.write((trx) => trx('github_apps').where({ id: githubAppId }).update({ org_id: null }));
    await failSync();
    const incident = await api.database.reader('incidents').where({ code: rejected, subject_id: githubAppId }).first();
    expect(incident?.action).toMatch(action);
  });

  test('its integrations require a new key until a sync succeeds', async () => {
    const another = await rotationScene(api, github);
    await failSync();
    await failSync();
    expect(await status()).toBe(`reauth_required: ${rejected}`);
    const elsewhere = await api.database.reader('integrations').where({ id: another.integrationId }).first();
    expect(elsewhere).toMatchObject({ status: 'active' });
    await pass();
    expect(await status()).toBe('active');
    expect(await isOpen()).toBe(false);
  });

  test('a read of the delivery log detects both the rejection and the recovery', async () => {
    await finishRecovery({ code: rejected, detail: 'No' });
    expect(await status()).toBe(`reauth_required: ${rejected}`);
    expect(await isOpen()).toBe(true);
    await finishRecovery();
    expect(await status()).toBe('active');
    expect(await isOpen()).toBe(false);
  });

  test('a suspended integration shows that, and recovers only when the key is accepted', async () => {
    await apply(github.suspend(installation));
    await failSync();
    expect(await status()).toBe('suspended: installation_suspended');
    github.unsuspend(installation);
    await api.database.write((trx) =>
      trx('installations').where({ id: scene.installationId }).update({ suspended_at: null }),
    );
    await failSync();
    expect(await status()).toBe(`reauth_required: ${rejected}`);
    await apply(github.suspend(installation));
    expect(await status()).toBe('suspended: installation_suspended');
    github.unsuspend(installation);
    await pass();
    expect(await status()).toBe('active');
  });

  test('an integration without permissions still lacks them afterwards', async () => {
    installation.permissions = { metadata: 'read' };
    await pass();
    expect(await status()).toBe('degraded: permissions_missing');
    await failSync();
    expect(await status()).toBe(`reauth_required: ${rejected}`);
    await finishRecovery();
    expect(await status()).toBe('degraded: permissions_missing');
  });

  test('another problem of an integration is not cleared by the recovery', async () => {
    const other = { status: 'reauth_required' as const, status_reason: 'authorization_expired' };
    await api.database.write((trx) => trx('integrations').where({ id: scene.integrationId }).update(other));
    await failSync();
    await pass();
    expect(await status()).toBe('reauth_required: authorization_expired');
  });

  test('an outage or a wrong clock does not count as a rejection', async () => {
    for (const code of ['unavailable', 'clock_skew']) await failSync(code);
    expect(await status()).toBe('active');
  });

  test('closing the incident does not clear the rejection', async () => {
    await failSync();
    await api.database.write((trx) => allIncidents(trx).resolveSubject(rejected, scene.githubAppId));
    await api.database.write((trx) => followInstallations(trx, scene.githubAppId));
    expect(await status()).toBe(`reauth_required: ${rejected}`);
  });

  test('a rotation to an accepted key ends it immediately, and starts a sync of the installations', async () => {
    const [old, fresh] = [scene.theirs.privateKey, addKey(scene.theirs)];
    deleteKey(scene.theirs, old);
    await failSync();
    await scene.rotate('private_key', { private_key: fresh });
    const rotationId = await scene.rotationOf('private_key');
    await scene.once.proveVersion({ rotationId });
    expect(await status()).toBe(`reauth_required: ${rejected}`);
    await api.database.write((trx) => trx('commands').delete());
    await scene.twice.cutOver({ rotationId });
    expect(await status()).toBe('active');
    expect(await isOpen()).toBe(false);
    const asked = await api.database.reader('commands').where({ workflow: 'syncInstallations' });
    expect(asked).toMatchObject([{ workflow_id: `sync/${scene.githubAppId}` }]);
    await scene.expectUsable();
  });

  test('a new client secret does not affect the key’s status', async () => {
    await failSync();
    await scene.rotate('client_secret', { client_secret: addClientSecret(scene.theirs) });
    await scene.once.cutOver({ rotationId: await scene.rotationOf('client_secret') });
    expect(await status()).toBe(`reauth_required: ${rejected}`);
  });

  test('a request to reauthorize returns the route that accepts a new key', async () => {
    await failSync();
    const at = `/v1/integrations/${scene.integrationId}`;
    const { status: answered, body } = await scene.caller.send<{ detail: string }>('POST', `${at}/reauthorize`, {});
    expect(answered).toBe(409);
    const [, path = ''] = /`POST (\S+)`/.exec(body.detail) ?? [];
    expect(path).toBe(`${at}/credentials/rotate`);
    const fresh = addKey(scene.theirs);
    const rotated = await scene.caller.send('POST', path, { kind: 'private_key', private_key: fresh });
    expect(rotated.status).toBe(202);
    expect(await githubAppSecrets(api.database.reader, keyring).privateKey(scene.githubAppId)).toBeDefined();
  });
});
