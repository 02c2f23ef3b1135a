import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { googleConsentActivities } from '../../../activities/clouds/google-consents.ts';
import { withFailures } from '../../../activities/failures.ts';
import { createConsents } from '../../../broker/clouds/google-consent.ts';
import { allCloudAccounts, type CloudAccount, keepCloudSecret } from '../../../db/clouds/cloud-accounts.ts';
import { deleteCloudAccount } from '../../../db/deletion/cloud-account-deletion.ts';
import { type GoogleStandIn, startGoogle } from '../../../stand-ins/google/stand-in.ts';
import { publicUrl } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { googleClient } from '../../support/fakes/clouds.ts';
import { keyring } from '../../support/hooks.ts';
import { fetchTo, loopbackCertificate } from '../../support/programs/cloud-tls.ts';
import { seed } from '../../support/scenes/seed.ts';

let google: GoogleStandIn;
let database: TestDatabase;
let where: { orgId: string; projectId: string };

beforeAll(async () => {
  google = await startGoogle({ certificate: loopbackCertificate });
});
afterAll(async () => {
  await google.close();
  await database?.drop();
});
beforeEach(async () => {
  await database?.drop();
  database = await openTestDatabase();
  where = await seed(database).org();
  google.faults.clear();
  google.state.consents.clear();
});

function activities(client: typeof googleClient | undefined = googleClient) {
  const deps = { fetch: fetchTo(google.url), timeoutMs: 2_000, now: Date.now, endpoints: { oauth: google.url } };
  const googleConsents = createConsents({ ...deps, google: client, publicUrl });
  return withFailures(googleConsentActivities({ database, keyring, googleConsents }));
}

/** Creates an account with the consent of a person at Google. */
async function connect(email: string): Promise<CloudAccount> {
  const refreshToken = `1//${email}-${google.state.consents.size}`;
  google.state.consents.set(refreshToken, { clientId: googleClient.clientId, email, scope: '' });
  return database.write(async (trx) => {
    const given = { kind: 'gcp' as const, authMode: 'oauth', displayName: 'Google', createdBy: 'system' };
    const account = await allCloudAccounts(trx).insert({ ...where, ...given, config: { email } });
    await keepCloudSecret(trx, keyring, account, refreshToken);
    return account;
  });
}

const remove = (account: CloudAccount) => database.write((trx) => deleteCloudAccount(trx, account, async () => {}));
const secrets = async ({ id }: CloudAccount) => {
  const credentials = database.reader('credentials').where({ cloud_account_id: id }).select('id');
  const rows = await database.reader('credential_versions').whereIn('credential_id', credentials);
  return rows.map(({ status, sealed }) => ({ status, isThere: sealed !== null }));
};

test('revokes the consent of a deleted account at Google, and then destroys its secret', async () => {
  const account = await connect('ann@acme.test');
  await remove(account);
  const commands = await database.reader('commands').where({ workflow: 'revokeConsent' });
  expect(commands).toMatchObject([
    { workflow_id: `revoke-consent/${account.id}`, input: JSON.stringify({ cloudAccountId: account.id }) },
  ]);
  expect(await secrets(account)).toEqual([{ status: 'active', isThere: true }]);
  await activities().revokeConsent({ cloudAccountId: account.id });
  expect(google.state.consents.size).toBe(0);
  expect(await secrets(account)).toEqual([{ status: 'purged', isThere: false }]);
  // Again, as after a lost response, and without the operator's client.
  await activities(undefined).revokeConsent({ cloudAccountId: account.id });
  expect(await database.reader('incidents')).toEqual([]);
});

test('keeps the secret during an outage at Google, and retries with it', async () => {
  const account = await connect('ann@acme.test');
  await remove(account);
  google.faults.add({ method: 'POST', path: /^\/revoke$/, kind: 'status', status: 503, times: 1 });
  const work = () => activities().revokeConsent({ cloudAccountId: account.id });
  await expect(work()).rejects.toMatchObject({ type: 'unavailable', nonRetryable: false });
  expect(await secrets(account)).toEqual([{ status: 'active', isThere: true }]);
  await work();
  expect(google.state.consents.size).toBe(0);
});

test('treats a retry after a lost response as revoked', async () => {
  const account = await connect('ann@acme.test');
  await remove(account);
  google.faults.add({ method: 'POST', path: /^\/revoke$/, kind: 'lost_answer', times: 1 });
  const work = () => activities().revokeConsent({ cloudAccountId: account.id });
  await expect(work()).rejects.toMatchObject({ nonRetryable: false });
  await work();
  expect(await secrets(account)).toEqual([{ status: 'purged', isThere: false }]);
});

test('keeps the consent of a person with another account, because Google would revoke both', async () => {
  const [account, other] = [await connect('ann@acme.test'), await connect('ann@acme.test')];
  await remove(account);
  await activities().revokeConsent({ cloudAccountId: account.id });
  expect(google.state.consents.size).toBe(2);
  expect(await secrets(account)).toEqual([{ status: 'purged', isThere: false }]);
  expect(await secrets(other)).toEqual([{ status: 'active', isThere: true }]);
});

test('never revokes the consent of an existing account', async () => {
  const account = await connect('ann@acme.test');
  await expect(activities().revokeConsent({ cloudAccountId: account.id })).resolves.toBeUndefined();
  expect(google.state.consents.size).toBe(1);
  expect(await secrets(account)).toEqual([{ status: 'active', isThere: true }]);
});

test('names the person in an incident if Google never confirms the revocation', async () => {
  const account = await connect('ann@acme.test');
  await remove(account);
  await activities().giveUpConsent({ cloudAccountId: account.id });
  expect(await secrets(account)).toEqual([{ status: 'purged', isThere: false }]);
  const [incident] = await database.reader('incidents');
  expect(incident).toMatchObject({ code: 'revocation_unconfirmed', subject_id: account.id, org_id: where.orgId });
  expect(incident?.action).toContain('ann@acme.test');
});
