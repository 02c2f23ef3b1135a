import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { providerKeyring } from '../../../broker/provider-keyring.ts';
import { registryOpener } from '../../../broker/registries/opened-registry.ts';
import { reportUnreadable } from '../../../db/ops/unreadable-secrets.ts';
import { recheckUnreadable } from '../../../db/recheck-unreadable.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { sealedSecrets } from '../../../db/secrets/sealed-secrets.ts';
import { createKeyring, type Keyring } from '../../../db/store/sealing.ts';
import { registryPasswordKind } from '../../../domain/registries/registry-settings.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { sign } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';

const unused = () => Promise.reject(new Error('Nothing is sent'));

type Incident = { code: string; subject_id: string; status: string; action: string; org_id: string | null };
type Audit = { action: string; target: string; outcome: string; detail: Record<string, unknown> };

const k1 = { id: 'k1', key: new Uint8Array(randomBytes(32)) };
const k2 = { id: 'k2', key: new Uint8Array(randomBytes(32)) };
let database: TestDatabase;
let api: TestApi;
let keyring: Keyring;
let orgId: string;
let githubAppId: string;
let registryId: string;
let appNumber = 31_000;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  const owner = await seed(database).org();
  orgId = owner.orgId;
  appNumber += 1;
  githubAppId = await seed(database).githubApp(appNumber, { orgId });
  registryId = await seed(database).registry(owner);
  const old = createKeyring([k1]);
  await database.write(async (trx) => {
    await githubAppSecrets(trx, old).put(githubAppId, orgId, 'webhook_secret', 'the secret of the webhook');
    await sealedSecrets(trx, old).put({ integrationId: registryId }, orgId, registryPasswordKind, 'the password');
  });
});

/** Runs `work` on the API of a process that has these master keys. */
async function withKeys<Result>(keys: (typeof k1)[], work: () => Promise<Result>): Promise<Result> {
  keyring = createKeyring(keys);
  keyring.onUnreadable(reportUnreadable(database));
  api = await startApi({ database, keyring });
  try {
    return await work();
  } finally {
    await api.close();
  }
}

const incidents = async (subject: string) => {
  const all = await api.admin.ask<Incident[]>('GET', `/v1/incidents?code=secret_unreadable&subject_id=${subject}`);
  return all.map(({ status, action, org_id }) => ({ status, action, org_id }));
};
const audit = async (subject: string) => {
  const all = await api.admin.ask<Audit[]>('GET', `/v1/audit?target=${subject}`);
  return all.map(({ action, outcome }) => `${action} ${outcome}`);
};
const loginOf = async () => {
  const opener = registryOpener({ database, keyring: providerKeyring(keyring), fetch: () => unused });
  return opener.loginOf(await opener.open(registryId));
};

test('opens one incident for a missing master key, and resolves it when the key is back', async () => {
  await withKeys([k2], async () => {
    const named = `A stored secret of ${registryId} needs the master key "k1"`;
    for (let times = 0; times < 3; times += 1) {
      await expect(loginOf()).rejects.toMatchObject({
        code: 'secret_unreadable',
        message: expect.stringContaining(named),
      });
    }
    await expect.poll(() => incidents(registryId)).toMatchObject([{ status: 'open', org_id: orgId }]);
    expect((await incidents(registryId))[0]?.action).toContain(named);
    expect(await audit(registryId)).toEqual(['secret.unreadable failed']);
    await recheckUnreadable(database, keyring);
    expect(await incidents(registryId)).toMatchObject([{ status: 'open' }]);
  });
  await withKeys([k2, k1], async () => {
    await recheckUnreadable(database, keyring);
    expect(await incidents(registryId)).toMatchObject([{ status: 'resolved' }]);
    expect(await audit(registryId)).toEqual(['secret.readable succeeded', 'secret.unreadable failed']);
    expect(await loginOf()).toMatchObject({ password: 'the password' });
  });
});

test('returns 409 for a webhook whose secret does not open, and nothing else of the tenant stops', async () => {
  const body = '{"zen":"Design for failure."}';
  await database.write((trx) => trx('credentials').where({ github_app_id: githubAppId }).update({ org_id: null }));
  await withKeys([k1], async () => {
    const response = await fetch(`${api.hookUrl}/${githubAppId}`, {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'x-github-event': 'ping',
        'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
        'x-hub-signature-256': sign('the secret of the webhook', body),
      },
    });
    expect(response.status).toBe(409);
    const problem = await response.json();
    expect(problem).toMatchObject({ code: 'secret_unreadable', detail: expect.stringContaining('secret_unreadable') });
    await expect.poll(() => incidents(githubAppId)).toMatchObject([{ status: 'open', org_id: orgId }]);
    expect(await loginOf()).toMatchObject({ password: 'the password' });

    await database.write((trx) => trx('credentials').where({ github_app_id: githubAppId }).update({ org_id: orgId }));
    await recheckUnreadable(database, keyring);
    expect(await incidents(githubAppId)).toMatchObject([{ status: 'resolved' }]);
  });
});

test('replaces a secret that does not open when it is stored again', async () => {
  await withKeys([k2], async () => {
    await expect(loginOf()).rejects.toMatchObject({ code: 'secret_unreadable' });
    await expect.poll(() => incidents(registryId)).toMatchObject([{ status: 'open' }]);
    await database.write((trx) =>
      sealedSecrets(trx, keyring).put({ integrationId: registryId }, orgId, registryPasswordKind, 'another'),
    );
    expect(await loginOf()).toMatchObject({ password: 'another' });
    await recheckUnreadable(database, keyring);
    expect(await incidents(registryId)).toMatchObject([{ status: 'resolved' }]);
  });
});

test('verifies a webhook with the secret that opens if another one does not', async () => {
  const both = createKeyring([k2, k1]);
  await database.write((trx) => githubAppSecrets(trx, both).put(githubAppId, orgId, 'webhook_secret', 'the new one'));
  const secrets = githubAppSecrets(database.reader, createKeyring([k2]));
  expect(await secrets.webhookSecrets(githubAppId)).toEqual(['the new one']);
  await expect(
    githubAppSecrets(database.reader, createKeyring([{ ...k2, id: 'k3' }])).webhookSecrets(githubAppId),
  ).rejects.toMatchObject({ code: 'secret_unreadable' });
});
