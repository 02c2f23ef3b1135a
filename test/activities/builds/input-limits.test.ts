import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { activitiesAgainst, insertBuild, stateOf } from '../../support/scenes/some-build.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

const created = { status: 201, body: {} };

describe('a build with more inputs than its GitHub host accepts', () => {
  const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`input_${at}`, 'x']));
  /** Creates a build whose app's repository is on an Enterprise Server. */
  async function insertOnServer(inputs: Record<string, string>) {
    const build = await insertBuild(database, { on: { inputs: JSON.stringify(inputs) } });
    const where = database.reader('repositories').where({ id: build.repositoryId }).select('github_app_id');
    await database.write((trx) =>
      trx('github_apps')
        .whereIn('id', where)
        .update({ host_url: 'https://git.acme.dev', api_url: 'https://git.acme.dev/api/v3' }),
    );
    return build;
  }

  test('fails before any request', async () => {
    const build = await insertOnServer(named(8));
    const { run, seen } = await activitiesAgainst(database, [{ status: 204 }, created], { server: true });
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
    const after = await stateOf(database, build);
    expect(after).toMatchObject({ status: 'failed', reason: 'workflow_inputs_too_many', dispatch: 'refused' });
    expect(after.build.detail).toContain('there is room for 7: there are 8');
    expect(seen).toEqual([]);
  });

  test('is sent with the maximum, including the inputs of Fairlead', async () => {
    const build = await insertOnServer(named(7));
    const { run, seen } = await activitiesAgainst(database, [{ status: 204 }, created], { server: true });
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toEqual({ outcome: 'accepted' });
    const sent = seen.map(({ body }) => Object.keys((body as { inputs: object }).inputs ?? {}).length);
    expect(sent[0]).toBe(10);
  });

  test('fails with the same reason if the host has a lower limit', async () => {
    const build = await insertBuild(database);
    const message = 'Invalid request.\n\nNo more than 5 properties are allowed; 6 were supplied.';
    const { run } = await activitiesAgainst(database, [{ status: 422, body: { message } }]);
    await run('sendDispatch', { buildId: build.id, tries: 0 });
    expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: 'workflow_inputs_too_many' });
  });
});
