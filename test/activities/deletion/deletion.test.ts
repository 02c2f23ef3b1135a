import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deletionActivities } from '../../../activities/deletion/deletion.ts';
import { withFailures } from '../../../activities/failures.ts';
import { deleteIntegration } from '../../../db/deletion/integration-deletion.ts';
import { allInstallations } from '../../../db/github/installations.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import type { Revocation, RevocationOutcome } from '../../../domain/deletion/revocation.ts';
import { newId } from '../../../domain/ids.ts';
import type { App, GitHubStandIn, Installation } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring } from '../../support/hooks.ts';
import { giveApp } from '../../support/scenes/give-app.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let app: { id: string; theirs: App };
let theirs: Installation;
let installationId: string;
let owner: { orgId: string; projectId: string };

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  app = await addOperatorApp(database, github);
});
afterAll(async () => {
  await database?.drop();
  await github?.close();
});

beforeEach(async () => {
  github.faults.clear();
  theirs = github.addInstallation(app.theirs);
  owner = await seed(database).org();
  installationId = await seed(database).installation(app.id, theirs.id, { org_id: owner.orgId });
});

async function project(): Promise<{ orgId: string; projectId: string }> {
  const { projectId } = await seed(database).org();
  await database.write((trx) => trx('projects').where({ id: projectId }).update({ org_id: owner.orgId }));
  return { orgId: owner.orgId, projectId };
}

const connect = async (where = owner) => seed(database).integration({ ...where, githubAppId: app.id, installationId });

async function cutOff(id: string, revocation: Revocation = 'auto'): Promise<void> {
  const { orgId, projectId } = owner;
  await database.write((trx) => deleteIntegration(trx, { id, orgId, projectId, revocation, audit: async () => {} }));
}

const activities = () => withFailures(deletionActivities({ database, broker: brokerTo(database, github) }));
const letGo = (integrationId: string, attempt = 1): Promise<RevocationOutcome> =>
  new MockActivityEnvironment({ attempt }).run(activities().uninstallInstallation, { integrationId, installationId });
const finish = (integrationId: string, ...outcomes: RevocationOutcome[]) =>
  activities().finishDeletion({ integrationId, outcomes });
const asked = () => github.requests({ method: 'DELETE', path: new RegExp(`^/app/installations/${theirs.id}$`) }).length;
const integrationRow = (id: string) => database.reader('integrations').where({ id }).first();
const installationRow = () => database.reader('installations').where({ id: installationId }).first();
const bindings = () => database.reader('bindings').where({ installation_id: installationId });

describe('an installation', () => {
  test('is uninstalled when its last integration is deleted', async () => {
    const id = await connect();
    await cutOff(id);
    expect(await letGo(id)).toBe('revoked');
    expect(asked()).toBe(1);
    expect(github.state.installations.has(theirs.id)).toBe(false);
    expect((await installationRow())?.removed_at).not.toBeNull();
    const audit = await database.reader('audit_events').where({ action: 'installation.uninstalled' }).orderBy('id');
    expect(JSON.parse(audit.at(-1)?.detail ?? '')).toEqual({ integration: id, outcome: 'revoked' });
  });

  test('that GitHub no longer has counts as uninstalled', async () => {
    github.state.installations.delete(theirs.id);
    const id = await connect();
    await cutOff(id);
    expect(await letGo(id)).toBe('already_gone');
    expect(await bindings()).toEqual([]);
  });

  test('that is known to be removed causes no request', async () => {
    const id = await connect();
    await database.write((trx) => trx('installations').where({ id: installationId }).update({ removed_at: 1 }));
    await cutOff(id);
    expect(await letGo(id)).toBe('already_gone');
    expect(asked()).toBe(0);
  });

  test('whose response was lost is revoked on the next attempt', async () => {
    const id = await connect();
    await cutOff(id);
    github.faults.add({ method: 'DELETE', path: /installations/, times: 1, kind: 'lost_answer' });
    await expect(letGo(id)).rejects.toMatchObject({ nonRetryable: false });
    expect(await letGo(id, 2)).toBe('revoked');
    expect(asked()).toBe(2);
  });

  test('stays while another project uses it, and is uninstalled with that one', async () => {
    const [here, there] = [await connect(), await connect(await project())];
    await cutOff(here);
    expect(await letGo(here)).toBe('retained_shared');
    expect(await letGo(here, 2)).toBe('retained_shared');
    expect(asked()).toBe(0);
    expect(await integrationRow(there)).toMatchObject({ status: 'active' });
    await cutOff(there);
    expect(await letGo(there)).toBe('revoked');
    expect(asked()).toBe(1);
  });

  test('is uninstalled once for two concurrent deletions', async () => {
    for (let round = 0; round < 5; round += 1) {
      theirs = github.addInstallation(app.theirs);
      installationId = await seed(database).installation(app.id, theirs.id, { org_id: owner.orgId });
      const both = [await connect(), await connect(await project())];
      await Promise.all(both.map((id) => cutOff(id)));
      const outcomes = await Promise.all(both.map((id) => letGo(id)));
      expect(outcomes.sort()).toEqual(['retained_shared', 'revoked']);
      expect(asked()).toBe(1);
    }
  });

  test('is kept with `never`, and is also taken from other projects with `always`', async () => {
    const [kept, taken, other] = [await connect(), await connect(await project()), await connect(await project())];
    await cutOff(kept, 'never');
    expect(await letGo(kept)).toBe('retained');
    expect(asked()).toBe(0);
    await cutOff(taken, 'always');
    expect(await letGo(taken)).toBe('revoked');
    expect(asked()).toBe(1);
    expect(await integrationRow(other)).toMatchObject({ status: 'disconnected', status_reason: 'installation_gone' });
  });

  test('is retried while GitHub fails, and not when GitHub rejects the request', async () => {
    const id = await connect();
    await cutOff(id);
    github.faults.add({ method: 'DELETE', path: /installations/, times: 1, kind: 'status', status: 500 });
    await expect(letGo(id)).rejects.toMatchObject({ type: 'unavailable', nonRetryable: false });
    github.faults.add({ method: 'DELETE', path: /installations/, times: 1, kind: 'secondary_limit', retryAfter: 90 });
    await expect(letGo(id)).rejects.toMatchObject({ type: 'secondary_limited', nextRetryDelay: 90_000 });
    github.faults.add({ method: 'DELETE', path: /installations/, times: 1, kind: 'status', status: 403 });
    await expect(letGo(id)).rejects.toMatchObject({ nonRetryable: true });
    expect(await bindings()).toHaveLength(1);
    expect(await letGo(id, 4)).toBe('revoked');
  });

  test('that is connected again during the deletion stays', async () => {
    const id = await connect();
    const identity = { identity_key: `installation:${installationId}` };
    await database.write((trx) => trx('integrations').where({ id }).update(identity));
    await cutOff(id);
    github.faults.add({ method: 'DELETE', path: /installations/, times: 1, kind: 'status', status: 500 });
    await expect(letGo(id)).rejects.toMatchObject({ type: 'unavailable' });

    const installations = allInstallations(database.reader);
    expect(await installations.boundTo(owner.projectId, installationId)).toBeUndefined();
    await database.write(async (trx) => {
      const made = await trx('integrations').where({ id }).first();
      if (!made) throw new Error('It is not there');
      const again = { ...made, ...identity, id: newId('int'), status: 'active' as const, revocation: null };
      await trx('integrations').insert(again);
      await allInstallations(trx).bind(again.id, installationId, owner.projectId);
    });
    expect(await letGo(id, 2)).toBe('retained_shared');
    expect(asked()).toBe(1);
    expect(await bindings()).toHaveLength(1);
  });

  test('that GitHub does not confirm becomes an incident', async () => {
    const id = await connect();
    await cutOff(id);
    const given = { integrationId: id, installationId, code: 'timeout' };
    expect(await activities().giveUpUninstall(given)).toBe('unconfirmed');
    expect(await activities().giveUpUninstall(given)).toBe('unconfirmed');
    const [incident] = await database.reader('incidents').where({ subject_id: installationId });
    expect(incident).toMatchObject({ code: 'revocation_unconfirmed', status: 'open', org_id: owner.orgId });
    expect(incident?.link).toContain(`/settings/installations/${theirs.id}`);
  });
});

describe('an account whose installation stays at GitHub', () => {
  const claim = async (orgId: string) => database.write((trx) => allInstallations(trx).claim(installationId, orgId));

  test('is free for others after its organization’s last integration is deleted', async () => {
    const elsewhere = await seed(database).org();
    const [here, there] = [await connect(), await connect(await project())];
    await cutOff(here, 'never');
    expect(await letGo(here)).toBe('retained');
    expect(await claim(elsewhere.orgId)).toBe(false);
    await cutOff(there, 'never');
    expect(await letGo(there)).toBe('retained');
    expect(await installationRow()).toMatchObject({ org_id: null, removed_at: null });
    expect(await claim(elsewhere.orgId)).toBe(true);
    // A late attempt does not take it away from the new organization.
    expect(await letGo(there, 2)).toBe('retained');
    expect((await installationRow())?.org_id).toBe(elsewhere.orgId);
  });

  test('is also free if GitHub did not confirm the uninstallation', async () => {
    const id = await connect();
    await cutOff(id);
    await activities().giveUpUninstall({ integrationId: id, installationId, code: 'timeout' });
    expect(await claim((await seed(database).org()).orgId)).toBe(true);
  });

  test('keeps its organization if it is connected again at the same moment', async () => {
    for (let round = 0; round < 10; round += 1) {
      const id = await connect();
      const again = await seed(database).integration({ ...(await project()), githubAppId: app.id, installationId });
      await database.write((trx) => trx('bindings').where({ integration_id: again }).delete());
      await cutOff(id, 'never');
      const binding = database.write(async (trx) => {
        const installations = allInstallations(trx);
        await installations.claim(installationId, owner.orgId);
        await installations.bind(again, installationId, again);
      });
      const given = { integrationId: id, installationId, code: 'timeout' };
      await Promise.all([binding, round % 2 === 0 ? letGo(id) : activities().giveUpUninstall(given)]);
      expect((await installationRow())?.org_id).toBe(owner.orgId);
      await database.write((trx) => trx('bindings').where({ installation_id: installationId }).delete());
    }
  });

  test('that was uninstalled keeps its organization for the history', async () => {
    const id = await connect();
    await cutOff(id);
    expect(await letGo(id)).toBe('revoked');
    expect((await installationRow())?.org_id).toBe(owner.orgId);
  });
});

describe('the end', () => {
  test('leaves a tombstone, an operation with the outcome, and its audit row', async () => {
    const id = await connect();
    await cutOff(id);
    await finish(id, await letGo(id));
    await finish(id, 'none');
    const row = await integrationRow(id);
    expect(row).toMatchObject({ status: 'deleted', revocation: 'auto', revocation_outcome: 'revoked', epoch: 1 });
    expect(row?.deleted_at).not.toBeNull();
    expect(await database.reader('operations').where({ subject_id: id })).toMatchObject([{ status: 'succeeded' }]);
    const audit = await database.reader('audit_events').where({ target: id, action: 'integration.deleted' });
    expect(audit).toMatchObject([{ actor: 'system', outcome: 'succeeded' }]);
    expect(JSON.parse(audit[0]?.detail ?? '')).toMatchObject({ outcome: 'revoked', installations: 1, purged: 0 });
    expect(await githubAppSecrets(database.reader, keyring).privateKey(app.id)).toBeDefined();
  });

  test('destroys the secrets of an own App after its last integration is deleted', async () => {
    const own = await addOperatorApp(database, github);
    await giveApp(database, own.id, owner.orgId);
    const secrets = githubAppSecrets(database.reader, keyring);
    const [first, second] = await Promise.all(
      [owner, await project()].map((where) =>
        seed(database).integration({ ...where, githubAppId: own.id, installationId }),
      ),
    );
    await cutOff(first ?? '');
    await cutOff(second ?? '');
    await finish(first ?? '', 'retained_shared');
    expect(await secrets.webhookSecrets(own.id)).toHaveLength(1);
    await finish(second ?? '', 'unconfirmed');
    expect(await secrets.webhookSecrets(own.id)).toEqual([]);
    const left = await database
      .reader('credential_versions')
      .join('credentials', 'credentials.id', 'credential_versions.credential_id')
      .where('credentials.github_app_id', own.id)
      .select('credential_versions.status', 'credential_versions.sealed');
    expect(left.length).toBeGreaterThan(0);
    expect(left.every(({ status, sealed }) => status === 'purged' && sealed === null)).toBe(true);
    const audit = await database.reader('audit_events').where({ target: second ?? '', action: 'integration.deleted' });
    expect(audit).toMatchObject([{ outcome: 'failed' }]);
  });
});
