import { afterAll, beforeAll, expect, test } from 'vitest';
import { readDeletion } from '../../../activities/deletion/deletion.ts';
import { appendBuildEvent } from '../../../db/builds/build-events.ts';
import { allBuilds, type Build } from '../../../db/builds/builds.ts';
import type { BuildRow } from '../../../db/store/tables.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertBuild } from '../../support/scenes/some-build.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database?.drop());

async function waitingFor({ integrationId }: Build): Promise<number> {
  await database.write((trx) => trx('integrations').where({ id: integrationId }).update({ status: 'deleting' }));
  return (await readDeletion({ database })({ integrationId })).builds;
}
const edit = ({ id }: Build, columns: Partial<BuildRow>) =>
  database.write((trx) => trx('builds').where({ id }).update(columns));
const refuse = (build: Build, part: string, status = 'canceled') =>
  database.write((trx) => appendBuildEvent(trx, build, 'report_refused', { code: 'policy', status, part }));

async function canceled(): Promise<Build> {
  const build = await insertBuild(database, { on: { environment: 'live' } });
  await database.write((trx) => allBuilds(trx).moveStatus(build.id, 'canceled'));
  return build;
}

async function grantChecks({ repositoryId }: Build): Promise<void> {
  await database.write((trx) =>
    trx('installations')
      .whereIn('id', trx('repositories').where({ id: repositoryId }).select('installation_id'))
      .update({ permissions: JSON.stringify({ checks: 'write' }) }),
  );
}

test('a deletion waits for a build until it has ended and GitHub has its final status', async () => {
  const build = await insertBuild(database);
  expect(await waitingFor(build)).toBe(1);
  await edit(build, { reported_status: 'queued' });
  await database.write((trx) => allBuilds(trx).moveStatus(build.id, 'canceled'));
  expect(await waitingFor(build)).toBe(1);
  await edit(build, { reported_status: 'canceled' });
  expect(await waitingFor(build)).toBe(0);
});

test('a deletion waits for each kind of report that the build has', async () => {
  const build = await canceled();
  await grantChecks(build);
  await edit(build, { reported_status: 'canceled', deployment_id: 1 });
  expect(await waitingFor(build)).toBe(1);
  await edit(build, { check_status: 'canceled', deployment_status: 'running' });
  expect(await waitingFor(build)).toBe(1);
  await edit(build, { deployment_status: 'canceled' });
  expect(await waitingFor(build)).toBe(0);
});

test('a deletion does not wait for a report that GitHub rejected, or for later ones', async () => {
  const build = await canceled();
  await grantChecks(build);
  await edit(build, { deployment_id: 1 });
  await refuse(build, 'status', 'running');
  expect(await waitingFor(build)).toBe(1);
  await refuse(build, 'check');
  expect(await waitingFor(build)).toBe(1);
  await edit(build, { reported_status: 'canceled' });
  expect(await waitingFor(build)).toBe(0);
});

test('a deletion does not wait for a build that ended long ago or was rejected when it was created', async () => {
  const old = await canceled();
  await edit(old, { finished_at: Date.now() - 3_600_000 });
  expect(await waitingFor(old)).toBe(0);
  const refused = await insertBuild(database, { status: 'failed', reason: 'integration_deleted' });
  expect(await waitingFor(refused)).toBe(0);
});
