import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestRefresh } from '../../../db/github/refresh-installation.ts';
import { allOperations } from '../../../db/ops/operations.ts';
import { newId } from '../../../domain/ids.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addOrg, addProject, addToken } from '../../support/scenes/tenants.ts';
import { world } from '../../support/scenes/world.ts';

type Answer = { operation: { id: string; status: string } };

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

/** Creates two projects of one organization that are connected through one App. */
async function scene() {
  const orgId = await addOrg(api.database);
  const githubAppId = await seed(api.database).githubApp(4_711);
  const askers = [];
  for (let at = 0; at < 2; at += 1) {
    const owner = { orgId, projectId: await addProject(api.database, orgId) };
    const { integrationId } = await world(api.database, { owner, githubAppId });
    const client = api.as((await addToken(api.database, owner)).secret);
    askers.push(async () => {
      const answer = await client.send<Answer>('POST', `/v1/integrations/${integrationId}/installations`);
      expect(answer.status).toBe(202);
      return answer.body.operation.id;
    });
  }
  const [ask = async () => '', another = async () => ''] = askers;
  const commands = async () =>
    (await api.database.reader('commands').where({ workflow_id: `sync/${githubAppId}` })).length;
  return { githubAppId, ask, another, commands };
}

test('a repeated sync request returns the operation that is still waiting', async () => {
  const { githubAppId, ask, another, commands } = await scene();
  const [first, ...others] = await Promise.all([ask(), ask(), ask()]);
  expect(new Set(others)).toEqual(new Set([first]));
  expect(await commands()).toBe(1);
  // Each project gets its own operation.
  expect(await another()).not.toBe(first);
  expect(await commands()).toBe(2);

  const write = api.database.write;
  await write((trx) => allOperations(trx).takeUp({ kind: 'sync', subjectId: githubAppId }));
  const next = await ask();
  expect(next).not.toBe(first);
  expect(await ask()).toBe(next);
  expect(await commands()).toBe(3);

  // An operation that has waited this long may be lost.
  const longAgo = Date.now() - 61_000;
  await write((trx) => trx('operations').where({ id: next }).update({ created_at: longAgo }));
  await write((trx) =>
    trx('commands')
      .where({ workflow_id: `sync/${githubAppId}` })
      .update({ status: 'done' }),
  );
  expect(await ask()).toBe(next);
  expect(await ask()).toBe(next);
  expect(await commands()).toBe(4);
});

test('many events of one installation do not delay the immediate sync of others', async () => {
  const [noisy, quiet] = [newId('gha'), newId('gha')];
  const event = (githubAppId: string, installation: number) =>
    api.database.write((trx) => requestRefresh(trx, newId('dlv'), { githubAppId, installation, repositories: [] }));
  const waiting = async (githubAppId: string) =>
    (await api.database.reader('commands').where('summary', 'like', `%${githubAppId}`)).length;

  for (let at = 0; at < 25; at += 1) await event(noisy, 1);
  expect(await waiting(noisy)).toBe(20);
  await event(noisy, 2);
  await event(quiet, 1);
  expect([await waiting(noisy), await waiting(quiet)]).toEqual([21, 1]);

  for (let at = 0; at < 500; at += 1) await event(noisy, 100 + at);
  expect(await waiting(noisy)).toBe(500);
  await event(quiet, 1);
  expect(await waiting(quiet)).toBe(2);
});
