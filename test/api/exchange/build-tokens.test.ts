import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allBuilds } from '../../../db/builds/builds.ts';
import {
  type ExchangeScene,
  exchangeScene,
  type Given,
  type SceneProject,
} from '../../support/scenes/exchange-scene.ts';
import { addToken } from '../../support/scenes/tenants.ts';

let scene: ExchangeScene;

beforeAll(async () => {
  scene = await exchangeScene();
});
afterAll(() => scene.stop());

type Made = { id: string; token: string; expires_at: number; scopes: string[] };

const exchangePath = ({ projectId }: { projectId: string }) => `/v1/projects/${projectId}/credentials/exchange`;

/** The request body of a build token's holder. */
async function holderOf(mine: SceneProject, buildId: string) {
  const client = await scene.client(mine);
  const made = await client.ask<Made>('POST', `/v1/builds/${buildId}/token`);
  const holder = scene.api.as(made.token);
  const exchange = (body: object = {}) => holder.send<Given>('POST', exchangePath(mine), { purpose: 'clone', ...body });
  return { made, holder, exchange };
}

const finish = (buildId: string) => scene.database.write((trx) => allBuilds(trx).moveStatus(buildId, 'canceled'));

describe('a build token', () => {
  test('exchanges for its build, its app and its repository, and needs only a purpose', async () => {
    const mine = await scene.project();
    const buildId = await scene.build(mine);
    const { made, exchange } = await holderOf(mine, buildId);
    expect(made).toMatchObject({ build_id: buildId, scopes: ['credentials:exchange'] });
    expect(made.expires_at * 1000 - Date.now()).toBeLessThanOrEqual(60 * 60_000);

    const answer = await exchange();
    expect(answer.status).toBe(200);
    expect(answer.body.effective_scope.repositories.map(({ id }) => id)).toEqual([mine.repositoryId]);
    const lease = await scene.database.reader('leases').where({ id: answer.body.lease_id }).first();
    expect(lease).toMatchObject({ build_id: buildId, app_id: mine.appId, holder: `token:${made.id}` });
    expect((await exchange({ purpose: 'status' })).body.effective_scope.permissions).toMatchObject({
      statuses: 'write',
    });
  });

  test('cannot request another build, app, repository, integration or project', async () => {
    const mine = await scene.project();
    const second = await scene.connected(mine);
    const other = await scene.project(mine.orgId);
    const { holder, exchange } = await holderOf(mine, await scene.build(mine));
    expect((await exchange({ build_id: await scene.build(mine) })).status).toBe(404);
    expect((await exchange({ app_id: second.appId })).status).toBe(404);
    for (const repository of [second.repositoryId, await scene.secondRepository(mine)]) {
      expect((await exchange({ repositories: [repository] })).status).toBe(422);
    }
    expect((await exchange({ integration_id: second.integrationId })).status).toBe(422);
    const elsewhere = await holder.send('POST', exchangePath(other), { purpose: 'clone' });
    expect(elsewhere.status).toBe(404);
  });

  test('cannot call other endpoints', async () => {
    const mine = await scene.project();
    const buildId = await scene.build(mine);
    const { holder } = await holderOf(mine, buildId);
    for (const path of ['/v1/me', `/v1/builds/${buildId}`, '/v1/leases', `/v1/projects/${mine.projectId}`]) {
      expect((await holder.send('GET', path)).status, path).toBe(403);
    }
    expect((await holder.send('POST', `/v1/builds/${buildId}/token`)).status).toBe(403);
  });

  test('revokes its own leases and no others', async () => {
    const mine = await scene.project();
    const { holder, exchange } = await holderOf(mine, await scene.build(mine));
    const own = (await exchange()).body.lease_id;
    const others = await (await scene.client(mine)).ask<Given>('POST', exchangePath(mine), {
      purpose: 'clone',
      app_id: mine.appId,
    });
    expect((await holder.send('DELETE', `/v1/leases/${others.lease_id}`)).status).toBe(404);
    expect((await holder.send('DELETE', `/v1/leases/${own}`)).status).toBe(200);
  });

  test('expires when the build ends, with the credentials that it got', async () => {
    const mine = await scene.project();
    const buildId = await scene.build(mine);
    const { exchange } = await holderOf(mine, buildId);
    const { token = '', lease_id } = (await exchange()).body;
    await finish(buildId);
    expect((await exchange()).status).toBe(401);
    const lease = () => scene.database.reader('leases').where({ id: lease_id }).first();
    expect(await lease()).toMatchObject({ status: 'revoked', outcome: 'unconfirmed' });
    await scene.revokeAll();
    expect(scene.isAlive(token)).toBe(false);
    expect(await lease()).toMatchObject({ outcome: 'revoked' });
    const client = await scene.client(mine);
    expect((await client.send('POST', `/v1/builds/${buildId}/token`)).status).toBe(409);
    const late = await client.send('POST', exchangePath(mine), { purpose: 'clone', build_id: buildId });
    expect(late).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
  });

  test('gets no credentials if the build ends while they are created', async () => {
    const mine = await scene.project();
    const buildId = await scene.build(mine);
    const { exchange } = await holderOf(mine, buildId);
    scene.github.faults.add({ path: /access_tokens$/, kind: 'slow', delayMs: 300, times: 1 });
    const asked = exchange();
    await expect.poll(() => mine.mints().length).toBe(1);
    await finish(buildId);
    expect(await asked).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
    expect(await scene.database.reader('leases').where({ build_id: buildId })).toEqual([]);
  });

  test.each([
    ['a blocked build', { status: 'blocked' as const }, 'blocked_build'],
    ['a fork’s build', { fork: true }, 'fork_build'],
  ])('of %s gets only read access to the base repository, for every purpose', async (_, changes, narrowed) => {
    const mine = await scene.project();
    const { exchange } = await holderOf(mine, await scene.build(mine, changes));
    const answer = await exchange({ purpose: 'status' });
    expect(answer.status).toBe(200);
    const permissions = { contents: 'read', metadata: 'read' };
    expect(answer.body.effective_scope).toMatchObject({ permissions, narrowed });
    expect(mine.mints().map(({ body }) => body)).toEqual([{ repository_ids: [mine.theirs.id], permissions }]);
  });

  test('of unapproved code gets a separate credential, which ends with the build', async () => {
    const mine = await scene.project();
    const forkId = await scene.build(mine, { fork: true });
    const [trusted, fork] = [await holderOf(mine, await scene.build(mine)), await holderOf(mine, forkId)];
    const theirs = (await trusted.exchange()).body.token ?? '';
    const [first, again] = [(await fork.exchange()).body.token ?? '', (await fork.exchange()).body.token ?? ''];
    expect([first === theirs, first === again]).toEqual([false, true]);
    await finish(forkId);
    await scene.revokeAll();
    expect([scene.isAlive(theirs), scene.isAlive(first)]).toEqual([true, false]);
  });

  test('cannot be created without the scope to exchange credentials', async () => {
    const mine = await scene.project();
    const { secret } = await addToken(scene.database, mine, ['builds:trigger']);
    const answer = await scene.api.as(secret).send('POST', `/v1/builds/${await scene.build(mine)}/token`);
    expect(answer).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
  });

  test('ends with the token that created it, and each build has at most a hundred', async () => {
    const mine = await scene.project();
    const buildId = await scene.build(mine);
    const end = Date.now() + 60_000;
    const maker = await addToken(scene.database, mine, ['builds:trigger', 'credentials:exchange', 'tokens:admin'], end);
    const ask = () => scene.api.as(maker.secret).send<Made>('POST', `/v1/builds/${buildId}/token`);
    const [first, ...others] = await Promise.all(Array.from({ length: 100 }, ask));
    expect(first?.body.expires_at).toBe(Math.floor(end / 1000));
    expect(others.map(({ status }) => status)).toEqual(others.map(() => 201));
    expect(await ask()).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
    const another = await scene.api.as(maker.secret).send('POST', `/v1/builds/${await scene.build(mine)}/token`);
    expect(another.status).toBe(201);
    await scene.api.as(maker.secret).send('DELETE', `/v1/tokens/${maker.id}`);
    const answer = await scene.api.as(first?.body.token ?? '').send('POST', exchangePath(mine), { purpose: 'clone' });
    expect(answer.status).toBe(401);
  });

  test('is shown once and stored as a hash', async () => {
    const mine = await scene.project();
    const buildId = await scene.build(mine);
    const client = await scene.client(mine);
    const ask = () =>
      client.send<Made>('POST', `/v1/builds/${buildId}/token`, undefined, { 'idempotency-key': 'build-token' });
    const [first, again] = [await ask(), await ask()];
    expect(first.body.token).toMatch(/^flt_/);
    expect(again.body).toMatchObject({ id: first.body.id, code: 'secret_not_repeated' });
    expect(again.body.token).toBeUndefined();
    for (const table of ['tokens', 'idempotency_keys', 'audit_events'] as const) {
      expect(JSON.stringify(await scene.database.reader(table)), table).not.toContain(first.body.token);
    }
  });
});

describe('an app token', () => {
  const make = async (mine: SceneProject, changes: object = {}) =>
    (await scene.client({ orgId: mine.orgId })).send<Made>('POST', '/v1/tokens', {
      org_id: mine.orgId,
      app_id: mine.appId,
      name: 'Executor',
      scopes: ['credentials:exchange'],
      ...changes,
    });

  test('exchanges only for its app’s repository', async () => {
    const mine = await scene.project();
    const second = await scene.connected(mine);
    const { status, body } = await make(mine);
    expect({ status, body }).toMatchObject({ status: 201, body: { app_id: mine.appId, project_id: mine.projectId } });
    const ask = (more: object = {}) =>
      scene.api.as(body.token).send<Given>('POST', exchangePath(mine), { purpose: 'clone', ...more });
    expect((await ask()).body.effective_scope.repositories).toMatchObject([{ id: mine.repositoryId }]);
    expect((await ask({ repositories: [await scene.secondRepository(mine)] })).status).toBe(422);
    expect((await ask({ app_id: second.appId })).status).toBe(404);
    expect((await ask({ build_id: await scene.build(mine) })).status).toBe(200);
    expect((await ask({ build_id: await scene.build(second) })).status).toBe(404);
    expect((await scene.api.as(body.token).send('GET', '/v1/me')).status).toBe(403);
  });

  test('accepts no other scope and no app of another project', async () => {
    const [mine, other] = [await scene.project(), await scene.project()];
    expect((await make(mine, { scopes: ['credentials:exchange', 'builds:read'] })).status).toBe(400);
    expect((await make(mine, { app_id: other.appId })).status).toBe(404);
    expect((await make(mine, { project_id: other.projectId })).status).toBe(404);
  });
});
