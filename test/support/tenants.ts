import { randomBytes, randomUUID } from 'node:crypto';
import { createBuild } from '../../db/builds.ts';
import type { Database } from '../../db/connection.ts';
import { decisionsIn } from '../../db/decisions.ts';
import { connectFlowsIn } from '../../db/flows/connect-flows.ts';
import { githubAppsIn } from '../../db/github-apps.ts';
import { incidentsIn } from '../../db/incidents.ts';
import { leasesIn } from '../../db/leases.ts';
import { mintedTokensIn } from '../../db/minted-tokens.ts';
import { operationsIn } from '../../db/operations.ts';
import { orgsIn } from '../../db/orgs.ts';
import { pipelinesIn } from '../../db/pipelines.ts';
import { projectsIn } from '../../db/projects.ts';
import { sessionsIn } from '../../db/sessions.ts';
import { storeDeliveries } from '../../db/store-deliveries.ts';
import { everything } from '../../db/tenant.ts';
import { tokensIn } from '../../db/tokens.ts';
import { newId } from '../../domain/ids.ts';
import { type Role, type Scope, scopes } from '../../domain/scopes.ts';
import { keyring } from './hooks.ts';
import { seed } from './seed.ts';

// The stand-in counts its own numbers from 1,000: these must never meet them.
let lastNumber = 50_000_000;

/** Every scope that a token may have. */
export const tokenScopes = scopes.filter((scope) => scope !== 'ops');

export async function addOrg(database: Database, name = 'Acme'): Promise<string> {
  return database.write(async (trx) => (await orgsIn(trx, everything).insert({ name })).id);
}

export async function addProject(database: Database, orgId: string, name = 'Shop'): Promise<string> {
  return database.write(async (trx) => (await projectsIn(trx, everything).insert({ orgId, name })).id);
}

/** The id and the secret of a token; with no project, for the whole organization. */
export async function addToken(
  database: Database,
  where: { orgId: string; projectId?: string; narrowedTo?: { appId: string; buildId?: string } },
  allowed: readonly Scope[] = tokenScopes,
  expiresAt: number | null = null,
): Promise<{ id: string; secret: string }> {
  const { token, secret } = await database.write((trx) =>
    tokensIn(trx, everything).insert({
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

/** A person with a role in the organization, signed in. */
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

/** One of every thing that a project has. */
export async function addEverything(database: Database, where: { orgId: string; projectId: string }) {
  const rows = seed(database);
  lastNumber += 1;
  const number = lastNumber;
  const app = await database.write((trx) =>
    githubAppsIn(trx).upsert({
      orgId: null,
      hostUrl: 'https://github.com',
      apiUrl: 'https://api.github.com',
      appId: number,
      slug: 'fairlead',
      name: 'Fairlead',
      clientId: null,
    }),
  );
  const installationId = await rows.installation(app.id, number, { org_id: where.orgId });
  const repositoryId = await rows.repository({ githubAppId: app.id, installationId, externalId: number });
  const integrationId = await rows.integration({ ...where, githubAppId: app.id, installationId });
  const registryId = await rows.registry(where);
  const cloudAccountId = await rows.cloudAccount(where);
  const appId = await rows.app({ ...where, integrationId, repositoryId });
  const pipelineId = await rows.pipeline({ ...where, appId });
  return database.write(async (trx) => {
    const pipeline = await pipelinesIn(trx, everything).find(pipelineId);
    if (!pipeline) throw new Error('The pipeline is not there');
    const build = await createBuild(trx, {
      ...where,
      appId,
      pipeline,
      integrationId,
      repositoryId,
      event: 'push',
      ref: 'refs/heads/main',
      refName: 'main',
      sha: '0123456789abcdef0123456789abcdef01234567',
      dispatchRef: 'main',
      fairleadRef: 'refs/heads/main',
      fork: false,
      createdBy: 'system',
      status: 'queued',
    });
    const [stored] = await storeDeliveries(trx, [
      {
        githubAppId: app.id,
        providerDeliveryId: randomUUID(),
        event: 'push',
        contentKey: null,
        headers: {},
        body: Buffer.from('{}'),
      },
    ]);
    const deliveryId = stored?.id ?? '';
    await trx('deliveries').where({ id: deliveryId }).update({ org_id: where.orgId });
    await decisionsIn(trx, everything).add({
      ...where,
      deliveryId,
      pipelineId,
      outcome: 'build',
      reason: 'matched',
      buildId: build.id,
    });
    const work = { kind: 'sync', subjectId: app.id, workflowId: `sync-${app.id}` };
    const operation = await operationsIn(trx, everything).insert({ ...where, ...work });
    const trouble = { code: 'dispatch_uncertain' as const, title: 'A dispatch is unclear', action: 'Look at GitHub' };
    await incidentsIn(trx, everything).raise({ ...where, ...trouble, subjectId: build.id });
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
    const lease = await leasesIn(trx, everything).insert({
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
    const flow = await connectFlowsIn(trx, everything).insert({
      ...where,
      kind: 'operator',
      createdBy: 'system',
      hostUrl: app.hostUrl,
      apiUrl: app.apiUrl,
      githubAppId: app.id,
      integrationId: null,
      displayName: null,
      appName: app.name,
      appPublic: true,
      accountLogin: null,
      accountId: null,
      redirectUrl: null,
      claimedInstallation: null,
      expiresAt: Date.now() + 3_600_000,
    });
    return {
      ...where,
      githubAppId: app.id,
      installationId,
      flowId: flow.id,
      /** GitHub's number of the installation, and of the repository too. */
      number,
      repositoryId,
      integrationId,
      registryId,
      cloudAccountId,
      appId,
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
