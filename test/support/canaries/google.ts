import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { createBrowser } from '../browser.ts';
import { createAccount, exchange, replaceSecret, verify } from './cloud-accounts.ts';
import { type CloudServers, registryHosts } from './cloud-servers.ts';
import type { CloudOutcome } from './clouds.ts';
import { type Day, named } from './day.ts';
import { keyCanaries } from './keys.ts';

const project = 'acme-images';
const email = `fairlead@${project}.iam.gserviceaccount.com`;

const newKey = () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).privateKey;

/** Connects with the key of a service account, and with a person's consent. */
export async function ofGoogle(servers: CloudServers, day: Day): Promise<CloudOutcome> {
  const { google } = servers;
  const [first, second] = [newKey(), newKey()];
  const fileOf = (key: string) =>
    JSON.stringify({ type: 'service_account', project_id: project, client_email: email, private_key: key });
  google.state.serviceAccounts.set(email, {
    keys: [first, second].map((key) => createPublicKey(key)),
    impersonators: [],
  });
  const account = await createAccount(day, {
    kind: 'gcp',
    auth_mode: 'service_account_key',
    credentials: { key: fileOf(first) },
  });
  await verify(day, account);
  await replaceSecret(day, account, { credentials: { key: fileOf(second) } });
  await verify(day, account);
  const inGar = { provider: 'gar', registry: registryHosts.gar, cloud_account_id: account };
  const given = await exchange(day, inGar, { repositories: [`${project}/team/app`], format: 'basic' });
  const consent = await byConsent(servers, day);
  const sent = (name: string) => google.ledger.flatMap(({ form }) => form.get(name) ?? []);
  expect(sent('assertion').length).toBeGreaterThan(2);
  expect(sent('refresh_token')).toEqual([consent.refreshToken]);
  return {
    accounts: [account, consent.account],
    integrations: [given.integrationId],
    told: [`the token of a registry at Google ${given.where}`],
    canaries: [
      { name: 'the token of a registry at Google', value: given.password },
      ...keyCanaries('the first key of a service account', first),
      ...keyCanaries('the second key of a service account', second),
      ...named('a signed claim for Google', sent('assertion')),
      ...named('a PKCE verifier at Google', sent('code_verifier')),
      { name: 'the code of a consent', value: consent.code },
      { name: 'the refresh token of a consent', value: consent.refreshToken },
      ...named('a token of Google', google.state.tokens.keys()),
    ],
  };
}

async function byConsent({ google }: CloudServers, day: Day) {
  const { me, projectId } = day;
  const browser = createBrowser();
  const { url } = await me.ask<{ url: string }>('POST', '/v1/cloud-accounts/gcp/start', { project_id: projectId });
  const sent = await browser.press(await browser.visit(url), 'Continue');
  const asked = new URL(sent.location ?? '').searchParams;
  const redirectUri = asked.get('redirect_uri') ?? '';
  const scope = asked.get('scope') ?? '';
  const code = `4/${randomBytes(24).toString('base64url')}`;
  google.state.codes.set(code, {
    clientId: asked.get('client_id') ?? '',
    redirectUri,
    challenge: asked.get('code_challenge') ?? '',
    email: 'ann@acme.test',
    scope,
    lasting: true,
  });
  const back = `${redirectUri}?${new URLSearchParams({ state: asked.get('state') ?? '', code, scope })}`;
  // Another browser opens the callback first.
  expect((await createBrowser().visit(back)).status).toBe(400);
  const landed = await browser.visit(back);
  expect(landed.status, landed.text).toBe(200);
  expect((await browser.visit(back)).status).toBe(400);
  const account = /ca_[\da-z]{26}/.exec(landed.text)?.[0] ?? '';
  await verify(day, account);
  const [refreshToken = ''] = google.state.consents.keys();
  return { account, code, refreshToken };
}
