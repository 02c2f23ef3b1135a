import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NewBuild } from '../../../db/builds/builds.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type World, world } from '../../support/scenes/world.ts';

let database: TestDatabase;
let place: World;

beforeAll(async () => {
  database = await openTestDatabase();
  place = await world(database);
});
afterAll(() => database.drop());

/** A pipeline of an app on the one repository, in an organization of its own. */
async function pipelineOf(appName: string, name: string) {
  const of = await world(database, { on: place, app: { name: appName } });
  return { ...of, pipelineId: await of.newPipeline({ name }) };
}

async function build({ newBuild, pipelineId }: Awaited<ReturnType<typeof pipelineOf>>, frozen?: NewBuild['pipeline']) {
  const { pipeline } = await newBuild(frozen && { pipeline: frozen }, pipelineId);
  return { context: pipeline.statusContext, pipeline };
}

test('gives each pipeline of a repository its own status, even with equal names in other organizations', async () => {
  const first = await pipelineOf('shop', 'deploy');
  const others = [
    await pipelineOf('admin', 'deploy'),
    await pipelineOf('Shop', 'Deploy'),
    await pipelineOf('shop', 'deploy'),
    await pipelineOf('a', 'b/c'),
    await pipelineOf('a/b', 'c'),
  ];
  expect((await build(first)).context).toBe('fairlead/shop/deploy');
  const contexts = [await build(first), ...(await Promise.all(others.map((other) => build(other))))].map(
    ({ context }) => context?.toLowerCase(),
  );
  expect(contexts[1]).toBe('fairlead/admin/deploy');
  expect(contexts[3]).toBe(`fairlead/shop/deploy (${others[2]?.pipelineId.slice(-6)})`);
  expect(new Set(contexts).size).toBe(contexts.length);
});

test('keeps the status name of a build, also for its reruns', async () => {
  const of = await pipelineOf('before', 'deploy');
  const { pipeline } = await build(of);
  await database.write((trx) => trx('apps').where({ id: of.appId }).update({ name: 'after' }));
  expect((await build(of)).context).toBe('fairlead/after/deploy');
  expect((await build(of, pipeline)).context).toBe('fairlead/before/deploy');
});

test('gives different statuses to pipelines whose names differ only in characters that GitHub rejects', async () => {
  const named = async (name: string) => (await build(await pipelineOf('fleet', name))).context;
  expect(await named('deploy 🚀')).toBe('fairlead/fleet/deploy U+1F680');
  expect(await named('deploy 🎉')).toBe('fairlead/fleet/deploy U+1F389');
  expect(await named('Deploy u+1f680')).toMatch(/^fairlead\/fleet\/Deploy u\+1f680 \(\w{6}\)$/);
  expect(await named('ÜBER')).toBe('fairlead/fleet/ÜBER');
  expect(await named('über')).toMatch(/^fairlead\/fleet\/über \(\w{6}\)$/);
});
