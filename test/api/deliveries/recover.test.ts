import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Scope } from '../../../domain/people/scopes.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';
import { addToken } from '../../support/scenes/tenants.ts';
import { world } from '../../support/scenes/world.ts';

type Owner = { orgId: string; projectId: string };

let database: TestDatabase;
let api: TestApi;
let rows: Seed;

beforeAll(async () => {
  database = await openTestDatabase();
  api = await startApi({ database });
  rows = seed(database);
});
afterAll(() => api?.stop());

/** Creates an integration with an App that nothing else uses. */
async function integrate(owner: Owner) {
  const { githubAppId, integrationId } = await world(database, { owner });
  return { githubAppId, path: `/v1/integrations/${integrationId}/recover` };
}

const as = async (owner: { orgId: string; projectId?: string }, allowed?: Scope[]) =>
  api.as((await addToken(database, owner, allowed)).secret);
const commands = (githubAppId: string) => database.reader('commands').where({ workflow_id: `recover/${githubAppId}` });

test('several requests share one workflow, and each gets its own operation', async () => {
  const owner = await rows.org();
  const { githubAppId, path } = await integrate(owner);
  const client = await as(owner, ['deliveries:replay']);
  const answers = await Promise.all([1, 2, 3].map(() => client.send<{ operation: { id: string } }>('POST', path)));
  for (const { status, body } of answers) {
    expect(status).toBe(202);
    expect(body.operation).toMatchObject({ kind: 'recover', status: 'running', workflow_id: `recover/${githubAppId}` });
  }
  expect(new Set(answers.map(({ body }) => body.operation.id)).size).toBe(3);
  for (const command of await commands(githubAppId)) {
    expect(command).toMatchObject({ action: 'signal_with_start', workflow: 'recoverDeliveries', signal: 'requested' });
    expect(JSON.parse(command.input)).toEqual({ githubAppId });
  }
  const audit = await database.reader('audit_events').where({ org_id: owner.orgId });
  expect(audit.filter(({ action }) => action === 'deliveries.recovery_requested')).toHaveLength(3);
});

test('a recovery requires the replay scope and an integration of the caller', async () => {
  const [owner, stranger] = [await rows.org(), await rows.org()];
  const { githubAppId, path } = await integrate(owner);
  expect(await (await as(owner, ['deliveries:read', 'integrations:write'])).send('POST', path)).toMatchObject({
    status: 403,
    body: { code: 'missing_scope' },
  });
  expect(await (await as(stranger)).send('POST', path)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  expect(await commands(githubAppId)).toEqual([]);
  expect(await database.reader('operations').where({ subject_id: githubAppId })).toEqual([]);
});

test('a provider without a delivery log returns provider_not_supported', async () => {
  const owner = await rows.org();
  const { path } = await integrate(owner);
  await database.write((trx) =>
    trx('integrations')
      .where({ id: path.split('/')[3] ?? '' })
      .update({ github_app_id: null }),
  );
  expect(await (await as(owner)).send('POST', path)).toMatchObject({ body: { code: 'provider_not_supported' } });
});
