import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMintBudget } from '../../../broker/mint-budget.ts';
import { type ExchangeScene, exchangeScene, type Given } from '../../support/scenes/exchange-scene.ts';

let scene: ExchangeScene;

beforeAll(async () => {
  scene = await exchangeScene();
});
afterAll(() => scene.stop());

const second = 1_000;

test('gives each organization a share of the tokens of a shared App, which refills over time', () => {
  const clock = { ms: 0 };
  const take = createMintBudget(() => clock.ms);
  const shared = { id: 'gha_1', orgId: null };
  for (let at = 0; at < 30; at += 1) take(shared, 'org_1');
  expect(() => take(shared, 'org_1')).toThrow(
    expect.objectContaining({ code: 'secondary_limited', retryAfterMs: second }),
  );
  take(shared, 'org_2');
  take({ id: 'gha_2', orgId: null }, 'org_1');
  clock.ms += 2 * second;
  take(shared, 'org_1');
  take(shared, 'org_1');
  expect(() => take(shared, 'org_1')).toThrow();
  // An App of the organization is not limited.
  for (let at = 0; at < 200; at += 1) take({ id: 'gha_3', orgId: 'org_1' }, 'org_1');
});

test('makes a tenant that requests many distinct tokens wait, and does not delay other tenants', {
  timeout: 120_000,
}, async () => {
  const [greedy, other] = [await scene.project(), await scene.project()];
  const clients = new Map([
    [greedy, await scene.client(greedy)],
    [other, await scene.client(other)],
  ]);
  const ask = async (of: typeof greedy, repositoryId: string) =>
    clients.get(of)?.send<Given>('POST', `/v1/projects/${of.projectId}/credentials/exchange`, {
      integration_id: of.integrationId,
      repositories: [repositoryId],
      purpose: 'clone',
    });
  const repositories: string[] = [];
  for (let at = 0; at < 80; at += 1) repositories.push(await scene.secondRepository(greedy));
  const answers = await Promise.all(repositories.map((id) => ask(greedy, id)));
  const given = answers.filter((answer) => answer?.status === 200);
  expect(given.length).toBeGreaterThanOrEqual(30);
  expect(greedy.mints()).toHaveLength(given.length);
  const [refused] = answers.filter((answer) => answer?.status !== 200);
  expect(refused).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect((await ask(other, other.repositoryId))?.status).toBe(200);
});
