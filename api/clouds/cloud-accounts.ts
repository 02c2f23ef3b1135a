import { z } from 'zod';
import { configAt, dropInactiveAccess, offerAccess, promoteAccess } from '../../db/clouds/cloud-access.ts';
import { holdInheritors, requestCloudCheck } from '../../db/clouds/cloud-account-checks.ts';
import { type CloudAccount, cloudAccountsFor, keepCloudSecret } from '../../db/clouds/cloud-accounts.ts';
import { deleteCloudAccount } from '../../db/deletion/cloud-account-deletion.ts';
import { holdOwner } from '../../db/people/projects.ts';
import { requestVerificationsOf } from '../../db/registries/registry-verifications.ts';
import type { Db } from '../../db/store/connection.ts';
import { newSecret } from '../../db/store/sealing.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply, requireRevision } from '../http/endpoint.ts';
import { expiresAt, id, name, PageQuery, pageRequest } from '../http/input.ts';
import { jsonValue } from '../http/json-value.ts';
import { Accepted } from '../http/operation-view.ts';
import { Problem, required } from '../http/problems.ts';
import { ownerOf } from '../people/owner.ts';
import { accessIn, changedAccess, NewCloudAccount, requireOffered } from './account-access.ts';
import { ChangedCloudAccount, CloudAccountItem, CloudAccountView, cloudAccountView } from './account-view.ts';
import { setupWith } from './setup.ts';

const Params = z.strictObject({ account: id('ca') });

const Changes = z
  .strictObject({
    display_name: name,
    config: z
      .record(z.string().max(100), z.string().max(500))
      .describe(
        'The same fields as when you create the account. Replaces the whole config. `auth_mode` and the external id do not change',
      ),
    credentials: z
      .record(z.string().max(100), jsonValue)
      .describe('The same fields as when you create the account. Never returned'),
    expires_at: expiresAt
      .nullable()
      .describe('When the secret expires, in seconds since 1970. A new secret without a date has none'),
  })
  .partial()
  .meta({
    id: 'CloudAccountChange',
    examples: [{ display_name: 'AWS of Acme', config: { role_arn: 'arn:aws:iam::123456789012:role/fairlead' } }],
  });

type Deps = Pick<ApiDeps, 'database' | 'keyring' | 'cloudAccounts' | 'links'>;

export function cloudAccountRoutes({ database, keyring, cloudAccounts, links }: Deps): Endpoint[] {
  const setupFor = setupWith({ cloudAccounts, links });
  return [
    endpoint({
      method: 'get',
      path: '/v1/cloud-accounts',
      operationId: 'listCloudAccounts',
      tag: 'clouds',
      summary: 'List cloud accounts',
      access: 'clouds:read',
      query: PageQuery,
      success: { status: 200, body: z.array(CloudAccountItem) },
      async read({ tenant, query }) {
        const { items, next } = await cloudAccountsFor(database.reader, tenant).list(pageRequest(query));
        return reply({ body: items.map(cloudAccountView), next });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/cloud-accounts',
      operationId: 'createCloudAccount',
      tag: 'clouds',
      etag: true,
      summary: 'Create a cloud account',
      description:
        'Fairlead does not contact the cloud yet. Paste the contents of `setup` at the cloud, then verify the account. Send secrets in `credentials`; no response contains them.',
      access: 'clouds:write',
      body: NewCloudAccount,
      success: { status: 201, body: CloudAccountView },
      problems: ['not_found', 'platform_identity_missing'],
      async prepare({ body }) {
        requireOffered(cloudAccounts, body.auth_mode);
        const access = accessIn(body);
        return { ...access, setup: await setupFor(access.config) };
      },
      async write({ trx, tenant, caller, body, prepared: { config, secret, setup }, audit }) {
        const owner = await ownerOf(trx, { tenant, caller }, body);
        required(await holdOwner(trx, owner));
        const { kind, auth_mode: authMode, display_name: displayName } = body;
        const end = 'expires_at' in body && body.expires_at !== undefined ? body.expires_at * 1000 : null;
        const given = { ...owner, kind, authMode, displayName, expiresAt: end, createdBy: caller.id };
        const ours = authMode === 'assume_role' ? { external_id: newSecret('') } : {};
        const account = await cloudAccountsFor(trx, tenant).insert({ ...given, config: { ...config, ...ours } });
        if (secret !== undefined) await keepCloudSecret(trx, keyring, account, secret);
        const { id: target } = account;
        await audit({ ...owner, action: 'cloud_account.created', target, detail: { kind, mode: authMode } });
        return reply({ body: { ...cloudAccountView(account), setup: setup(account) }, revision: account.revision });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/cloud-accounts/{account}',
      operationId: 'getCloudAccount',
      tag: 'clouds',
      etag: true,
      summary: 'Get a cloud account and its setup',
      access: 'clouds:read',
      params: Params,
      success: { status: 200, body: CloudAccountView },
      async read({ tenant, params }) {
        const account = await findCloudAccount(database.reader, tenant, params.account);
        const setup = await setupFor(account.pendingConfig ?? account.config);
        return reply({ body: { ...cloudAccountView(account), setup: setup(account) }, revision: account.revision });
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/cloud-accounts/{account}',
      operationId: 'updateCloudAccount',
      tag: 'clouds',
      etag: true,
      summary: 'Update a cloud account',
      description:
        'If you change `config` or a secret, Fairlead verifies the new access immediately. If the account is `active`, its access stays in use until the cloud accepts the new one; if the cloud rejects it, nothing changes. Otherwise the change replaces the access at once, and the account is `pending` and issues nothing until the cloud accepts it. When the access changes, Fairlead verifies the registries that inherit it.',
      access: 'clouds:write',
      params: Params,
      body: Changes,
      success: { status: 200, body: ChangedCloudAccount },
      problems: ['not_found', 'precondition_failed', 'invalid_request'],
      async prepare({ tenant, params, body }) {
        const { config } = await findCloudAccount(database.reader, tenant, params.account);
        return setupFor({ ...config, ...body.config });
      },
      async write({ trx, tenant, params, body, prepared: setup, audit, ...request }) {
        const accounts = cloudAccountsFor(trx, tenant);
        const account = required(await accounts.take(params.account));
        requireRevision(request, account.revision);
        const { id: target, orgId, projectId, revision } = account;
        const access = changedAccess(account, body);
        const isOffered = access.config !== undefined || access.secret !== undefined;
        // A working access stays in use until the cloud accepts the new one.
        const isKept = account.status === 'active' && isOffered;
        const isPending = isKept && (await offerAccess(trx, keyring, account, access));
        if (isOffered && !isKept) await dropInactiveAccess(trx, account);
        const { config, secret } = isKept ? {} : access;
        const isNewSecret = secret !== undefined && (await keepCloudSecret(trx, keyring, account, secret));
        const cutsOff = isNewSecret || config !== undefined;
        const displayName = body.display_name;
        const end = isNewSecret ? (access.expiresAt ?? null) : access.expiresAt;
        const changes = {
          ...(displayName !== undefined && { displayName }),
          ...(config && { config }),
          ...(!isKept && end !== undefined && { expiresAt: end }),
        };
        if (!(await accounts.update(target, revision, changes, cutsOff))) throw new Problem('precondition_failed');
        const detail = { config: access.config !== undefined, secret: access.secret !== undefined };
        await audit({ orgId, projectId, action: 'cloud_account.updated', target, detail });
        const updated = await findCloudAccount(trx, tenant, target);
        const operation = isPending || cutsOff ? await requestCloudCheck(trx, updated) : undefined;
        // Use the new access only after the cloud confirms it. Its permissions in each registry can differ.
        if (cutsOff) await requestVerificationsOf(trx, target);
        const view = (shown: CloudAccount) => ({ ...cloudAccountView(shown), setup: setup(shown) });
        const renew = async () => view((await cloudAccountsFor(database.reader, tenant).find(target)) ?? updated);
        const { revision: current } = updated;
        return reply({ body: view(updated), revision: current, ...(operation && { operation, renew }) });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/cloud-accounts/{account}/verify',
      operationId: 'verifyCloudAccount',
      tag: 'clouds',
      summary: 'Verify a cloud account',
      description:
        'Fairlead retries a rejection for up to a minute, because a change at the cloud takes time to spread. Then the operation fails. An outage of the cloud also fails the operation but does not change the account.',
      access: 'clouds:write',
      params: Params,
      success: { status: 202, body: Accepted },
      problems: ['not_found'],
      async write({ trx, tenant, params, audit }) {
        const account = await findCloudAccount(trx, tenant, params.account);
        const { id: target, orgId, projectId } = account;
        await audit({ orgId, projectId, action: 'cloud_account.verification_requested', target });
        return reply({ operation: await requestCloudCheck(trx, account) });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/cloud-accounts/{account}/rollback',
      operationId: 'rollbackCloudAccount',
      tag: 'clouds',
      summary: 'Roll back a cloud account',
      description:
        'Makes the previous config and secret the active ones again, and then verifies them. You can do this for a day after the cloud has accepted the last change. A pending change is dropped.',
      access: 'clouds:write',
      params: Params,
      success: { status: 202, body: Accepted },
      problems: ['not_found', 'invalid_transition'],
      async write({ trx, tenant, params, audit }) {
        await findCloudAccount(trx, tenant, params.account);
        await holdInheritors(trx, params.account);
        const account = required(await cloudAccountsFor(trx, tenant).take(params.account));
        const { id: target, orgId, projectId } = account;
        if (!configAt(account, 'previous')) {
          throw new Problem(
            'invalid_transition',
            'There is no previous access: Fairlead keeps one for a day. Send a new one with `PATCH`.',
          );
        }
        // An account that does not work needs the result of the check first.
        const status = account.status === 'active' ? 'active' : 'pending';
        await promoteAccess(trx, account, 'previous', { status, checkedAt: account.checkedAt });
        await audit({ orgId, projectId, action: 'cloud_account.access_rolled_back', target });
        await requestVerificationsOf(trx, target);
        return reply({ operation: await requestCloudCheck(trx, account) });
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/cloud-accounts/{account}',
      operationId: 'deleteCloudAccount',
      tag: 'clouds',
      summary: 'Delete a cloud account',
      description:
        'Deletes the account and its secret. You cannot delete it while integrations use it. Remove the role, provider or key at the cloud yourself.',
      access: 'clouds:write',
      params: Params,
      success: { status: 204 },
      problems: ['not_found', 'cloud_account_in_use'],
      async write({ trx, tenant, params, audit, ...request }) {
        const accounts = cloudAccountsFor(trx, tenant);
        // The lock prevents another request from binding an integration to the account at the same time.
        const account = required(await accounts.take(params.account));
        requireRevision(request, account.revision);
        refuseBound(await accounts.boundTo(account.id));
        await deleteCloudAccount(trx, account, audit);
      },
    }),
  ];
}

export async function findCloudAccount(db: Db, tenant: TenantScope, accountId: string): Promise<CloudAccount> {
  return required(await cloudAccountsFor(db, tenant).find(accountId));
}

function refuseBound(bound: { id: string; displayName: string }[]): void {
  if (bound.length === 0) return;
  throw new Problem(
    'cloud_account_in_use',
    'Delete these integrations first, then connect them again with another account.',
    {
      members: { integrations: bound.map(({ id, displayName }) => ({ id, display_name: displayName })) },
    },
  );
}
