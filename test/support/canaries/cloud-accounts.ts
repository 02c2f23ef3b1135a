import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type Day, exchangePath, inExchange } from './day.ts';

const wait = { prefer: 'wait=30' };

type View = { id: string; status: string };

export async function createAccount({ me, projectId }: Day, account: object): Promise<string> {
  const body = { project_id: projectId, display_name: 'Cloud', ...account };
  const key = { 'idempotency-key': randomUUID() };
  const made = await me.send<View>('POST', '/v1/cloud-accounts', body, key);
  expect(made, JSON.stringify(made.body)).toMatchObject({ status: 201 });
  // Fairlead stores this response for retries with the same key.
  expect((await me.send<View>('POST', '/v1/cloud-accounts', body, key)).body.id).toBe(made.body.id);
  return made.body.id;
}

/** Verifies the account. Throws if the cloud rejects it. */
export async function verify({ me }: Day, account: string): Promise<void> {
  const verified = await me.send('POST', `/v1/cloud-accounts/${account}/verify`, undefined, wait);
  expect(verified, JSON.stringify(verified.body)).toMatchObject({ status: 200 });
  expect(await me.ask<View>('GET', `/v1/cloud-accounts/${account}`)).toMatchObject({ status: 'active' });
}

export async function replaceSecret({ me }: Day, account: string, changes: object): Promise<void> {
  const changed = await me.send('PATCH', `/v1/cloud-accounts/${account}`, changes);
  expect(changed, JSON.stringify(changed.body)).toMatchObject({ status: 200 });
}

type Given = { password?: string; token?: string; docker_config?: { auths: Record<string, { auth: string }> } };

/** Connects a registry that inherits the access of an account, and gets a credential for it. */
export async function exchange({ me, projectId }: Day, registry: object, wanted: object) {
  const made = await me.send<View>('POST', '/v1/integrations', { project_id: projectId, ...registry }, wait);
  expect(made, JSON.stringify(made.body)).toMatchObject({ status: 201, body: { status: 'active' } });
  const integrationId = made.body.id;
  const key = { 'idempotency-key': randomUUID() };
  const ask = () =>
    me.send<Given>('POST', exchangePath(projectId), { purpose: 'pull', integration_id: integrationId, ...wanted }, key);
  const given = await ask();
  expect(given, JSON.stringify(given.body)).toMatchObject({ status: 200 });
  expect((await ask()).body).toMatchObject({ code: 'secret_not_repeated' });
  const { password, token, docker_config: config } = given.body;
  const [login] = Object.values(config?.auths ?? {}).map(({ auth }) => Buffer.from(auth, 'base64').toString());
  return {
    integrationId,
    password: password ?? token ?? login?.slice(login.indexOf(':') + 1) ?? '',
    where: inExchange,
  };
}
