import { createPublicKey, type JsonWebKey, randomBytes, randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { insertApp, insertRegistry } from '../../../stand-ins/azure/state.ts';
import { ofAws } from './aws.ts';
import type { Canary } from './canaries.ts';
import { createAccount, exchange, replaceSecret, verify } from './cloud-accounts.ts';
import { type CloudServers, registryHosts, startCloudServers } from './cloud-servers.ts';
import { type Day, marker, named, type Outcome } from './day.ts';
import { ofGoogle } from './google.ts';

export type CloudOutcome = Outcome & { accounts: string[]; integrations: string[] };

const tenantId = randomUUID();

/** Connects accounts at three clouds, changes their secrets, uses them for registries and deletes them. */
export async function startDayOfClouds(publicUrl: string) {
  const servers = await startCloudServers();
  const oauth = {
    clientId: '77.apps.googleusercontent.com',
    clientSecret: `GOCSPX-${randomBytes(24).toString('hex')}`,
  };
  const redirectUris = [`${publicUrl}/v1/cloud-accounts/gcp/callback`];
  servers.google.state.clients.set(oauth.clientId, { secret: oauth.clientSecret, redirectUris });
  return {
    ...servers,
    env: { ...servers.env, GOOGLE_OAUTH_CLIENT_ID: oauth.clientId, GOOGLE_OAUTH_CLIENT_SECRET: oauth.clientSecret },

    /** Keeps the accounts until `end`, so that they can be read. */
    async work(day: Day): Promise<Outcome & { end(): Promise<void> }> {
      const parts = await Promise.all([
        bySecretAtAzure(servers, day),
        byIssuerAtAzure(servers, day),
        ofGoogle(servers, day),
        ofAws(servers, day),
      ]);
      const { google, logins } = servers;
      return {
        canaries: [
          ...parts.flatMap(({ canaries }) => canaries),
          { name: 'the secret of the client at Google', value: oauth.clientSecret },
          ...named('a login at a registry of a cloud', logins),
          ...named(
            'a password of a registry of a cloud',
            logins.map((login) => login.slice(login.indexOf(':') + 1)),
          ),
        ],
        told: parts.flatMap(({ told }) => told),
        async end() {
          for (const id of parts.flatMap(({ integrations }) => integrations)) {
            const gone = await day.me.send('DELETE', `/v1/integrations/${id}`, undefined, { prefer: 'wait=20' });
            expect(gone.status).toBe(200);
          }
          for (const id of parts.flatMap(({ accounts }) => accounts)) {
            expect((await day.me.send('DELETE', `/v1/cloud-accounts/${id}`)).status).toBe(204);
          }
          // Fairlead also revokes the consent at Google, and decrypts its refresh token once more for that.
          await expect
            .poll(() => google.ledger.filter(({ path }) => path === '/revoke').length, { timeout: 20_000 })
            .toBe(1);
        },
      };
    },
  };
}

async function bySecretAtAzure({ azure }: CloudServers, day: Day): Promise<CloudOutcome> {
  const [first, wrong, second] = [marker(), marker(), marker()];
  const clientId = randomUUID();
  const app = insertApp(azure.state, tenantId, clientId, { secrets: [{ value: first, endsAt: Number.MAX_VALUE }] });
  const roles = new Map([[clientId, ['pull' as const, 'push' as const]]]);
  insertRegistry(azure.state, registryHosts.acr, { tenantId, roles });
  const account = await createAccount(day, {
    kind: 'azure',
    auth_mode: 'client_secret',
    config: { tenant_id: tenantId, client_id: clientId },
    credentials: { client_secret: first },
  });
  await verify(day, account);
  // Entra's error repeats the secrets.
  const echo = { error: 'server_error', error_description: `AADSTS90033: ${first} ${wrong}`, client_secret: wrong };
  azure.faults.add({ path: /v2\.0\/token$/, kind: 'status', status: 500, body: echo, times: 1 });
  const shown = () => azure.ledger.map(({ form }) => form.get('client_secret'));
  await replaceSecret(day, account, { credentials: { client_secret: wrong } });
  await expect.poll(shown, { timeout: 20_000 }).toContain(wrong);
  app.secrets = [{ value: second, endsAt: Number.MAX_VALUE }];
  await replaceSecret(day, account, { credentials: { client_secret: second } });
  await verify(day, account);
  const inAcr = { provider: 'acr', registry: registryHosts.acr, cloud_account_id: account };
  const given = await exchange(day, inAcr, { repositories: ['team/app'], format: 'docker_config' });
  expect(shown()).toEqual(expect.arrayContaining([first, wrong, second]));
  expect(azure.ledger.filter(({ status }) => status === 500)).toHaveLength(1);
  return {
    accounts: [account],
    integrations: [given.integrationId],
    told: [`the token of a registry at Azure ${given.where}`],
    canaries: [
      { name: 'the token of a registry at Azure', value: given.password },
      { name: 'the first client secret at Azure', value: first },
      { name: 'a wrong client secret at Azure', value: wrong },
      { name: 'the second client secret at Azure', value: second },
      ...named('a token of Entra', azure.state.tokens.keys()),
      ...named(
        'a refresh token of a registry at Azure',
        azure.ledger.flatMap(({ form }) => form.get('refresh_token') ?? []),
      ),
    ],
  };
}

type Setup = { setup: { issuer: { url: string; subject: string; audience: string } } };

/** Connects with a token that Fairlead issues. The cloud checks its signature with the published key. */
async function byIssuerAtAzure({ azure }: CloudServers, day: Day): Promise<CloudOutcome> {
  const clientId = randomUUID();
  const federated = { kind: 'azure', auth_mode: 'federated', config: { tenant_id: tenantId, client_id: clientId } };
  const account = await createAccount(day, federated);
  const { setup } = await day.me.ask<Setup>('GET', `/v1/cloud-accounts/${account}`);
  const { keys } = await day.me.ask<{ keys: JsonWebKey[] }>('GET', '/.well-known/jwks.json');
  const publicKey = createPublicKey({ key: keys[0] ?? {}, format: 'jwk' });
  const { url: issuer, subject, audience } = setup.issuer;
  insertApp(azure.state, tenantId, clientId, { federated: [{ issuer, subject, audience, publicKey }] });
  await verify(day, account);
  const assertions = azure.ledger.flatMap(({ form }) => form.get('client_assertion') ?? []);
  expect(assertions).not.toEqual([]);
  const canaries: Canary[] = assertions.flatMap((value) => [
    { name: 'a token of the issuer', value },
    { name: 'the signature of a token of the issuer', value: value.split('.')[2] ?? '' },
  ]);
  return { accounts: [account], integrations: [], told: [], canaries };
}
