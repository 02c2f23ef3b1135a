import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ApiDeps } from '../../../api/http/deps.ts';
import { type Endpoint, endpoint } from '../../../api/http/endpoint.ts';
import { id } from '../../../api/http/input.ts';
import { Problem } from '../../../api/http/problems.ts';
import { allDecisions } from '../../../db/deliveries/decisions.ts';
import type { Scope } from '../../../domain/people/scopes.ts';
import { adminToken, startApi, type TestApi } from '../../support/api.ts';
import {
  ask,
  bodyOf,
  isPublic,
  leaksOf,
  namesAThing,
  pathOf,
  publicOperations,
  rawOperations,
  type World,
} from '../../support/canaries/sweep.ts';
import { addEverything, addOrg, addProject, addToken, addUser } from '../../support/scenes/tenants.ts';

let api: TestApi;
let world: World;

/** An endpoint that the check must reject: it reads a row only by its ID. */
function unscoped({ database }: ApiDeps): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/unscoped/{build}',
      operationId: 'unscoped',
      tag: 'service',
      summary: 'Forgets to ask whose it is',
      access: 'builds:read',
      params: z.strictObject({ build: id('bld') }),
      success: { status: 200, body: z.object({ id: z.string() }) },
      async read({ params }) {
        const row = await database.reader('builds').where({ id: params.build }).first();
        if (!row) throw new Problem('not_found');
        return row;
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/unguarded',
      operationId: 'unguarded',
      tag: 'service',
      summary: 'Forgets to ask for a scope',
      access: 'signed_in',
      success: { status: 200, body: z.object({}) },
      read: async () => ({}),
    }),
  ];
}
const deliberate = ['unscoped', 'unguarded'];

beforeAll(async () => {
  api = await startApi({ extra: unscoped });
  const { database } = api;
  const [orgId, otherOrg] = [await addOrg(database), await addOrg(database, 'Other')];
  const make = async (org: string) => {
    const where = { orgId: org, projectId: await addProject(database, org) };
    return { ...(await addEverything(database, where)), tokenId: (await addToken(database, where)).id };
  };
  world = { mine: await make(orgId), sibling: await make(orgId), foreign: await make(otherOrg) };
});
afterAll(() => api.stop());

const swept = () => api.endpoints.filter((one) => !deliberate.includes(one.operationId));
const guarded = () => swept().filter((one) => !isPublic(one));
const byName = (name: string) => {
  const found = api.endpoints.find(({ operationId }) => operationId === name);
  if (!found) throw new Error(`There is no operation ${name}`);
  return found;
};

test('Only the listed endpoints are public or raw', () => {
  const names = (some: Endpoint[]) => some.map(({ operationId }) => operationId).sort();
  expect(names(swept().filter(isPublic))).toEqual([...publicOperations].sort());
  expect(names(swept().filter(({ raw }) => raw))).toEqual([...rawOperations].sort());
});

test('Every endpoint rejects anonymous callers, missing scopes, and other organizations and projects', {
  timeout: 120_000,
}, async () => {
  const found: string[] = [];
  for (const one of guarded()) found.push(...(await leaksOf(api, one, world)));
  expect(found).toEqual([]);
});

test('The check finds an endpoint that does not filter rows by owner', async () => {
  const found = await leaksOf(api, byName('unscoped'), world);
  expect(found.join('\n')).toContain('another organization got 200');
  expect(found.join('\n')).toContain('another project of the organization got 200');
});

test('Only these endpoints need no scope, because they show only the caller’s own data', () => {
  const names = api.endpoints.filter(({ access }) => access === 'signed_in').map(({ operationId }) => operationId);
  expect(names.sort()).toEqual(['deleteSession', 'getMe', 'getOperation', 'unguarded']);
});

test('Every endpoint serves its owner with the required scope', async () => {
  for (const one of guarded().filter((some) => some.method === 'get' && some.access !== 'ops')) {
    const allowed = (one.access === 'signed_in' ? ['org:read'] : [one.access]) as Scope[];
    const { secret: token } = await addToken(api.database, { orgId: world.mine.orgId }, allowed);
    const path = one.operationId === 'verifyAudit' ? `${one.path}?org_id=${world.mine.orgId}` : pathOf(one, world.mine);
    expect(await ask(api, one, path, { token }), one.operationId).toMatchObject({ status: 200 });
  }
});

test('No list shows data of another organization, or of another project to a project’s token', async () => {
  const lists = guarded().filter((one) => one.method === 'get' && !namesAThing(one) && one.access !== 'ops');
  const idsOf = (tenant: World['mine']) =>
    Object.entries(tenant).flatMap(([name, value]) => (typeof value === 'string' && name !== 'orgId' ? [value] : []));
  for (const one of lists) {
    const path = one.operationId === 'verifyAudit' ? `${one.path}?org_id=${world.mine.orgId}` : one.path;
    const ofOrg = await addToken(api.database, { orgId: world.mine.orgId });
    const seenByOrg = (await ask(api, one, path, { token: ofOrg.secret })).text;
    for (const hidden of [world.foreign.orgId, ...idsOf(world.foreign)]) {
      expect(seenByOrg, one.operationId).not.toContain(hidden);
    }
    const ofProject = await addToken(api.database, world.mine);
    const seenByProject = (await ask(api, one, path, { token: ofProject.secret })).text;
    for (const hidden of [world.foreign.orgId, ...idsOf(world.foreign), ...idsOf(world.sibling)]) {
      expect(seenByProject, one.operationId).not.toContain(hidden);
    }
  }
});

test('A webhook for several projects shows each project its own part', async () => {
  const { mine, sibling } = world;
  const { deliveryId } = mine;
  const { orgId, projectId, pipelineId } = sibling;
  const decision = {
    deliveryId,
    orgId,
    projectId,
    pipelineId,
    outcome: 'skipped',
    reason: 'x',
    buildId: null,
  } as const;
  await api.database.write((trx) => allDecisions(trx).add(decision));
  const decided = async (where: { orgId: string; projectId?: string }) => {
    const client = api.as((await addToken(api.database, where)).secret);
    const { decisions } = await client.ask<{ decisions: { project_id: string }[] }>(
      'GET',
      `/v1/deliveries/${deliveryId}`,
    );
    return decisions.map((one) => one.project_id).sort();
  };
  expect(await decided(mine)).toEqual([mine.projectId]);
  expect(await decided(sibling)).toEqual([sibling.projectId]);
  expect(await decided({ orgId })).toEqual([mine.projectId, sibling.projectId].sort());
});

test('A person in two organizations has each role’s rights there, and none in a third organization', async () => {
  const { mine, foreign } = world;
  const third = await addOrg(api.database, 'Third');
  const { id: user, session } = await addUser(api.database, mine.orgId, 'viewer');
  const now = Date.now();
  const membership = { org_id: foreign.orgId, user_id: user, role: 'admin', created_at: now, updated_at: now } as const;
  await api.database.write((trx) => trx('memberships').insert(membership));
  const client = api.as(session);
  const seen = await client.ask<{ id: string }[]>('GET', '/v1/orgs');
  expect(seen.map(({ id: org }) => org).sort()).toEqual([mine.orgId, foreign.orgId].sort());
  const made = async (org_id: string) => (await client.send('POST', '/v1/projects', { org_id, name: 'x' })).status;
  expect(await made(foreign.orgId)).toBe(201);
  expect(await made(mine.orgId)).toBe(404);
  expect(await made(third)).toBe(404);
  expect((await client.send('GET', `/v1/builds/${mine.buildId}`)).status).toBe(200);
  expect((await client.send('POST', `/v1/builds/${mine.buildId}/cancel`)).status).toBe(404);
});

test('A body that names resources of another organization changes nothing there', async () => {
  const { secret } = await addToken(api.database, { orgId: world.mine.orgId });
  const client = api.as(secret);
  const { mine, sibling, foreign } = world;
  const source = (from: World['mine']) => ({ integration_id: from.integrationId, repository_id: from.repositoryId });
  const refused: [string, string, unknown, number][] = [
    ['POST', '/v1/projects', { org_id: foreign.orgId, name: 'Theirs' }, 404],
    ['POST', '/v1/tokens', { org_id: foreign.orgId, name: 'Theirs', scopes: ['projects:read'] }, 404],
    [
      'POST',
      '/v1/tokens',
      { org_id: mine.orgId, project_id: foreign.projectId, name: 'Theirs', scopes: ['projects:read'] },
      404,
    ],
    ['PUT', `/v1/apps/${mine.appId}/source`, source(foreign), 422],
    ['PUT', `/v1/apps/${mine.appId}/source`, source(sibling), 422],
    ['PUT', `/v1/apps/${mine.appId}/source`, { ...source(mine), repository_id: foreign.repositoryId }, 422],
    ['GET', `/v1/integrations/${mine.integrationId}/repositories/${foreign.repositoryId}/branches`, undefined, 404],
    ['GET', `/v1/audit/verify?org_id=${foreign.orgId}`, undefined, 404],
    ['GET', '/v1/audit/verify', undefined, 404],
  ];
  for (const [method, path, body, status] of refused) {
    const answer = await client.send(method, path, body);
    expect(answer.status, `${method} ${path} ${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`).toBe(status);
  }
  for (const filter of [`project_id=${foreign.projectId}`, `app_id=${foreign.appId}`]) {
    expect(await client.ask('GET', `/v1/builds?${filter}`)).toEqual([]);
  }
  expect(await client.ask('GET', `/v1/projects?org_id=${foreign.orgId}`)).toEqual([]);
});

describe('a role', () => {
  test.each([
    ['viewer', 'POST', '/v1/projects', 403],
    ['developer', 'POST', '/v1/projects', 403],
    ['admin', 'POST', '/v1/projects', 201],
    ['viewer', 'GET', '/v1/audit', 403],
    ['admin', 'GET', '/v1/audit', 200],
    ['owner', 'POST', '/v1/orgs', 403],
    ['owner', 'GET', '/v1/installations', 403],
  ] as const)('%s: %s %s returns %i', async (role, method, path, status) => {
    const { session } = await addUser(api.database, world.mine.orgId, role);
    const one = api.endpoints.find((some) => some.path === path && some.method === method.toLowerCase());
    const answer = await api.as(session).send(method, path, one && bodyOf(one, world.mine));
    expect(answer.status).toBe(status);
  });
});

test('Every body with an unknown field is rejected', async () => {
  for (const one of swept().filter(({ body }) => body)) {
    const body = { ...bodyOf(one, world.mine), surprise: true };
    const answer = await ask(api, one, pathOf(one, world.mine), {
      token: isPublic(one) ? undefined : adminToken,
      body,
    });
    expect(answer, one.operationId).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.text, one.operationId).toContain('surprise');
  }
});
