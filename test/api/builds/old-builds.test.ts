import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createPurge } from '../../../db/purge.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { oldData } from '../../support/scenes/old-data.ts';
import { world } from '../../support/scenes/world.ts';

const day = 24 * 3_600_000;

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.stop());

/** Deletes what is due after this many days. */
async function purgeAfter(days: number): Promise<void> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * day });
  await createPurge(api.database)().finally(() => vi.useRealTimers());
}

test('a build that was deleted because of its age is not found, and the lists continue without it', async () => {
  const here = await world(api.database);
  const old = oldData(api.database, here);
  const pipeline = await here.newPipeline();
  const builds = [await old.addBuild(pipeline), await old.addBuild(pipeline), await old.addBuild(pipeline)];
  const [first, second, third] = builds.map(({ id }) => id);
  const lease = await old.addLease(second);
  const path = (id = '') => `/v1/builds/${id}`;

  const page = await api.admin.send<{ id: string }[]>('GET', `/v1/builds?pipeline_id=${pipeline}&limit=2`);
  expect(page.body.map(({ id }) => id)).toEqual([third, second]);
  const next = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
  await purgeAfter(91);

  const { pathname, search } = new URL(next, 'http://localhost');
  expect((await api.admin.send('GET', pathname + search)).body).toEqual([]);
  for (const [method, at] of [
    ['GET', path(first)],
    ['GET', `${path(second)}/events`],
    ['POST', `${path(second)}/rerun`],
    ['POST', `${path(second)}/cancel`],
    ['DELETE', `/v1/leases/${lease.lease}`],
  ] as const) {
    expect((await api.admin.send(method, at)).status, `${method} ${at}`).toBe(404);
  }
  const kept = await api.admin.send<{ id: string; status: string }>('GET', path(third));
  expect(kept).toMatchObject({ status: 200, body: { id: third, status: 'succeeded' } });
  expect((await api.admin.send<{ id: string }[]>('GET', `/v1/builds?app_id=${here.appId}`)).body).toHaveLength(1);
  expect((await api.admin.send('POST', `${path(third)}/rerun`)).status).toBeLessThan(300);
});
