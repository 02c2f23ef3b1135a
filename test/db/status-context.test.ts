import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Build, createBuild } from '../../db/builds.ts';
import { pipelinesIn } from '../../db/pipelines.ts';
import { everything } from '../../db/tenant.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { addGithubApp } from '../support/hooks.ts';
import { type Seed, seed } from '../support/seed.ts';

let database: TestDatabase;
let rows: Seed;
let githubAppId: string;
let installationId: string;
let repositoryId: string;

beforeAll(async () => {
  database = await openTestDatabase();
  rows = seed(database);
  githubAppId = (await addGithubApp(database, { appId: 1, secret: 'secret of the test' })).id;
  installationId = await rows.installation(githubAppId, 5);
  repositoryId = await rows.repository({ githubAppId, installationId, externalId: 50 });
});
afterAll(() => database.drop());

/** A pipeline of an app on the one repository, in an organization of its own. */
async function pipelineOf(appName: string, pipelineName: string) {
  const mine = await rows.org();
  const integrationId = await rows.integration({ ...mine, githubAppId, installationId });
  const appId = await rows.app({ ...mine, integrationId, repositoryId }, { name: appName });
  const pipelineId = await rows.pipeline({ ...mine, appId }, { name: pipelineName });
  return { ...mine, integrationId, appId, pipelineId };
}

async function build(
  of: Awaited<ReturnType<typeof pipelineOf>>,
  frozen?: Build['pipeline'],
): Promise<{ context: string | undefined; pipeline: Build['pipeline'] }> {
  const found = await pipelinesIn(database.reader, everything).find(of.pipelineId);
  if (!found) throw new Error('no such pipeline');
  const { pipeline } = await database.write((trx) =>
    createBuild(trx, {
      ...of,
      pipeline: frozen ?? found,
      repositoryId,
      event: 'push',
      ref: 'refs/heads/main',
      refName: 'main',
      sha: 'a'.repeat(40),
      dispatchRef: 'main',
      fairleadRef: 'refs/heads/main',
      fork: false,
      createdBy: 'system',
      status: 'queued',
    }),
  );
  return { context: pipeline.statusContext, pipeline };
}

test('each pipeline of a repository has a status of its own, whoever else has the same names', async () => {
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

test('a build keeps its status’ name, and so does what is run again of it', async () => {
  const of = await pipelineOf('before', 'deploy');
  const { pipeline } = await build(of);
  await database.write((trx) => trx('apps').where({ id: of.appId }).update({ name: 'after' }));
  expect((await build(of)).context).toBe('fairlead/after/deploy');
  expect((await build(of, pipeline)).context).toBe('fairlead/before/deploy');
});
