import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { expect } from 'vitest';
import type { Client } from '../client.ts';
import { type Clouds, registryHosts, startClouds } from '../fakes/clouds.ts';
import { pullImage, pushImage } from '../programs/push-image.ts';
import { addOrg, addProject, addUser } from './tenants.ts';
import { startWhole } from './whole.ts';

export type Account = {
  id: string;
  status: string;
  status_reason: string | null;
  next_action: string | null;
  checked_at: number | null;
  pending_config: Record<string, string> | null;
  operation?: Operation;
  setup: {
    external_id: string | null;
    principal: string | null;
    trust_policy: string | null;
    issuer: { url: string; subject: string; audience: string } | null;
  };
};
export type Operation = { id: string; status: string; error: { code: string } | null };
export type Integration = {
  id: string;
  status: string;
  status_reason: string | null;
  registry: { checks: { repository: string; action: string; outcome: string }[] };
};
export type Given = {
  code?: string;
  provider_code?: string;
  cloud_account_status?: string;
  username: string;
  password: string;
  docker_config?: { auths: Record<string, { auth: string }> };
};
export type RegistryKind = keyof typeof registryHosts;

const wait = { prefer: 'wait=20' };

/** Starts API, relay, worker and stand-ins for AWS, Google and Azure. The clouds settle within a second. */
export async function startCloudFlow() {
  const clouds: Clouds = await startClouds();
  const whole = await startWhole(undefined, { clouds, settling: { forMs: 1_000, everyMs: 200 } });

  /** Adds an organization with a project and an owner. */
  async function tenant() {
    const orgId = await addOrg(whole.database);
    const projectId = await addProject(whole.database, orgId);
    const client = whole.as((await addUser(whole.database, orgId, 'owner')).session);
    return tenantOf(client, { orgId, projectId });
  }

  function tenantOf(client: Client, where: { orgId: string; projectId: string }) {
    const { projectId } = where;
    const at = ({ id }: { id: string }) => `/v1/cloud-accounts/${id}`;
    return {
      ...where,
      client,
      create: (body: object) =>
        client.ask<Account>('POST', '/v1/cloud-accounts', { project_id: projectId, display_name: 'Cloud', ...body }),
      read: (account: { id: string }) => client.ask<Account>('GET', at(account)),
      change: (account: { id: string }, changes: object) => client.ask<Account>('PATCH', at(account), changes),

      /** Starts a verification, and waits for its result. */
      async verify(account: { id: string }): Promise<Operation> {
        const { body } = await client.send<{ operation: Operation }>('POST', `${at(account)}/verify`, undefined, wait);
        return body.operation;
      },
      async rollBack(account: { id: string }): Promise<Operation> {
        const { body } = await client.send<{ operation: Operation }>(
          'POST',
          `${at(account)}/rollback`,
          undefined,
          wait,
        );
        return body.operation;
      },
      /** Starts a verification, and does not wait. */
      async request(account: { id: string }): Promise<Operation> {
        return (await client.ask<{ operation: Operation }>('POST', `${at(account)}/verify`)).operation;
      },
      operation: async ({ id }: { id: string }) =>
        (await client.ask<{ operation: Operation }>('GET', `/v1/operations/${id}`)).operation,
      remove: (account: { id: string }) => client.send<{ code: string }>('DELETE', at(account)),

      /** Connects a registry that inherits the access of the account, and waits until it is verified. */
      async connect(kind: RegistryKind, account: { id: string }, repositories: string[]): Promise<Integration> {
        const registry = { provider: kind, registry: registryHosts[kind], cloud_account_id: account.id };
        const body = { project_id: projectId, ...registry, repositories };
        const answer = await client.send<Integration>('POST', '/v1/integrations', body, wait);
        expect(answer.status, JSON.stringify(answer.body)).toBe(201);
        return answer.body;
      },
      integration: ({ id }: { id: string }) => client.ask<Integration>('GET', `/v1/integrations/${id}`),
      async disconnect({ id }: { id: string }): Promise<void> {
        const answer = await client.send('DELETE', `/v1/integrations/${id}`, undefined, wait);
        expect(answer).toMatchObject({ status: 200, body: { operation: { status: 'succeeded' } } });
      },

      /** Creates an app whose images are in this repository. */
      async app({ id }: { id: string }, repository: string): Promise<{ id: string }> {
        const app = await client.ask<{ id: string }>('POST', `/v1/projects/${projectId}/apps`, { name: 'shop' });
        const registry = { integration_id: id, image_repository: repository };
        await client.ask('PUT', `/v1/apps/${app.id}/registry`, registry);
        return app;
      },
      exchange: (body: object) =>
        client.send<Given>('POST', `/v1/projects/${projectId}/credentials/exchange`, { purpose: 'pull', ...body }),

      /** Returns the audit events of the account, oldest first. */
      async audit({ id }: { id: string }): Promise<string[]> {
        const rows = await whole.database.reader('audit_events').where({ target: id }).orderBy('id');
        return rows.map(({ action, detail }) => {
          const { status, reason } = JSON.parse(detail) as { status?: string; reason?: string | null };
          return [action.replace('cloud_account.', ''), status, reason].filter(Boolean).join(' ');
        });
      },
    };
  }

  /** Returns whether a client can push and pull with this credential at the stand-in. */
  async function images(kind: RegistryKind, { username, password }: Given, repository: string) {
    const { url, settings } = clouds.registries[kind];
    let authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    if (settings.auth === 'bearer') {
      const scope = `repository:${repository}:pull,push`;
      const answer = await fetch(`${url}/token?${new URLSearchParams({ scope })}`, { headers: { authorization } });
      const { token } = (await answer.json()) as { token?: string };
      authorization = `Bearer ${token}`;
    }
    const push = (await pushImage(url, repository, 'v1', authorization)) === 201;
    return { push, pull: (await pullImage(url, repository, 'v1', authorization)) === 200 };
  }

  /** Reads Fairlead's public key, as a cloud that trusts it does. */
  async function issuerKey(): Promise<KeyObject> {
    const answer = await fetch(`${whole.url}/.well-known/jwks.json`);
    const [jwk] = ((await answer.json()) as { keys: JsonWebKey[] }).keys;
    return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  }

  return {
    ...whole,
    clouds,
    tenant,
    images,
    issuerKey,
    async stop() {
      await whole.stop();
      await clouds.stop();
    },
  };
}

export type CloudFlow = Awaited<ReturnType<typeof startCloudFlow>>;
export type Tenant = Awaited<ReturnType<CloudFlow['tenant']>>;
