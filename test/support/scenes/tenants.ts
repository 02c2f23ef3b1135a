import { randomBytes, randomUUID } from 'node:crypto';
import { allConnectFlows } from '../../../db/connect/connect-flows.ts';
import { allDecisions } from '../../../db/deliveries/decisions.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { allLeases } from '../../../db/exchange/leases.ts';
import { mintedTokensIn } from '../../../db/exchange/minted-tokens.ts';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { allOperations } from '../../../db/ops/operations.ts';
import { allOrgs } from '../../../db/people/orgs.ts';
import { allProjects } from '../../../db/people/projects.ts';
import { sessionsIn } from '../../../db/people/sessions.ts';
import { allTokens } from '../../../db/people/tokens.ts';
import type { Database } from '../../../db/store/connection.ts';
import { newId } from '../../../domain/ids.ts';
import { type Role, type Scope, scopes } from '../../../domain/people/scopes.ts';
import { keyring } from '../hooks.ts';
import { seed } from './seed.ts';
import { world } from './world.ts';

/** Every scope that a token may have. */
export const tokenScopes = scopes.filter((scope) => scope !== 'ops');

export async function addOrg(database: Database, name = 'Acme'): Promise<string> {
  return database.write(async (trx) => (await allOrgs(trx).insert({ name })).id);
}

export async function addProject(database: Database, orgId: string, name = 'Shop'): Promise<string> {
  return database.write(async (trx) => (await allProjects(trx).insert({ orgId, name })).id);
}

/** Returns the id and the secret of a token. Without a project, it covers the whole organization. */
export async function addToken(
  database: Database,
  where: { orgId: string; projectId?: string; narrowedTo?: { appId: string; buildId?: string } },
  allowed: readonly Scope[] = tokenScopes,
  expiresAt: number | null = null,
): Promise<{ id: string; secret: string }> {
  const { token, secret } = await database.write((trx) =>
    allTokens(trx).insert({
      orgId: where.orgId,
      projectId: where.projectId ?? null,
      ...where.narrowedTo,
      name: 'test',
      scopes: [...allowed],
      createdBy: 'system',
      expiresAt,
    }),
  );
  return { id: token.id, secret };
}

/** A signed-in person with a role in the organization. */
export async function addUser(database: Database, orgId: string, role: Role): Promise<{ id: string; session: string }> {
  const id = newId('user');
  const now = Date.now();
  const times = { created_at: now, updated_at: now };
  return database.write(async (trx) => {
    await trx('users').insert({ id, name: role, ops: false, ...times });
    await trx('memberships').insert({ org_id: orgId, user_id: id, role, ...times });
    return { id, session: (await sessionsIn(trx).create(id)).token };
  });
}

/** One of every kind of thing that a project has. */
export async function addEverything(database: Database, where: { orgId: string; projectId: string }) {
  const of = await world(database, { owner: where });
  const { githubAppId, installationId, repositoryId, integrationId, appId } = of;
  const registryId = await seed(database).registry(where);
  const cloudAccountId = await seed(database).cloudAccount(where);
  const pipelineId = await of.newPipeline();
  const build = await of.newBuild({}, pipelineId);
  return database.write(async (trx) => {
    const [stored] = await storeDeliveries(trx, [
      {
        githubAppId,
        providerDeliveryId: randomUUID(),
        event: 'push',
        contentKey: null,
        headers: {},
        body: Buffer.from('{}'),
      },
    ]);
    const deliveryId = stored?.id ?? '';
    await trx('deliveries').where({ id: deliveryId }).update({ org_id: where.orgId });
    await allDecisions(trx).add({
      ...where,
      deliveryId,
      pipelineId,
      outcome: 'build',
      reason: 'matched',
      buildId: build.id,
    });
    const work = { kind: 'sync', subjectId: githubAppId, workflowId: `sync-${githubAppId}` };
    const operation = await allOperations(trx).insert({ ...where, ...work });
    const trouble = { code: 'dispatch_uncertain' as const, title: 'A dispatch is unclear', action: 'Look at GitHub' };
    await allIncidents(trx).raise({ ...where, ...trouble, subjectId: build.id });
    const incident = await trx('incidents').where({ subject_id: build.id }).first('id');
    const minted = await mintedTokensIn(trx).insert(
      {
        ...where,
        integrationId,
        installationId,
        token: `ghs_${randomBytes(18).toString('hex')}`,
        expiresAt: Date.now() + 3_600_000,
      },
      keyring,
    );
    const lease = await allLeases(trx).insert({
      ...where,
      integrationId,
      appId,
      buildId: build.id,
      mintedTokenId: minted,
      purpose: 'clone',
      scope: { repositories: [repositoryId], permissions: { contents: 'read' } },
      holder: 'system',
      expiresAt: Date.now() + 3_600_000,
    });
    const flow = await allConnectFlows(trx).insert({
      ...where,
      kind: 'operator',
      createdBy: 'system',
      hostUrl: 'https://github.com',
      apiUrl: 'https://api.github.com',
      githubAppId,
      integrationId: null,
      displayName: null,
      appName: 'Fairlead',
      appPublic: true,
      accountLogin: null,
      accountId: null,
      redirectUrl: null,
      claimedInstallation: null,
      expiresAt: Date.now() + 3_600_000,
    });
    return {
      ...of,
      flowId: flow.id,
      registryId,
      cloudAccountId,
      pipelineId,
      buildId: build.id,
      deliveryId,
      operationId: operation.id,
      incidentId: incident?.id ?? '',
      leaseId: lease.id,
    };
  });
}

export type Tenant = Awaited<ReturnType<typeof addEverything>>;
