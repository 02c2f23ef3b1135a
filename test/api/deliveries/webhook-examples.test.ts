import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRelay } from '../../../worker/relay/relay.ts';
import { startApi } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { addGithubApp, hookHeaders, productLimits, sign, silent } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';

/**
 * Sends all of GitHub's own example payloads, signed, to the real endpoint. The real relay decides them. The outcomes
 * are compared with a table that was checked by hand: for each event, in the order of the examples.
 */
type Example = { name: string; examples: Record<string, { id?: number } | undefined>[] };
const examples = createRequire(import.meta.url)('@octokit/webhooks-examples') as Example[];
const table = path.join(import.meta.dirname, '..', '..', 'fixtures', 'webhook-outcomes.json');

const appId = 29310;
const secret = 'a webhook secret of the examples';
const temporal = createFakeTemporal();
const stops: (() => Promise<unknown>)[] = [];
const names = new Map<string, string>();

let database: TestDatabase;
let url: string;

beforeAll(async () => {
  database = await openTestDatabase();
  stops.push(() => database.drop());
  await seedIdsOfExamples();
  const api = await startApi({ database, limiter: productLimits() });
  const relay = createRelay({ database, temporal: temporal.starter, logger: silent, registry: new Registry() });
  await relay.start();
  stops.push(api.close, relay.stop);
  url = api.hookUrl;
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

/**
 * Creates every installation and repository that an example names, as if Fairlead had synced them. Installation 1 is
 * ours, with three pipelines on its repository. Many examples name no installation because a repository's hook sent
 * them. An App's webhook without an installation belongs to no tenant.
 */
async function seedIdsOfExamples(): Promise<void> {
  const rows = seed(database);
  const githubAppId = (await addGithubApp(database, { appId, secret })).id;
  const mine = await rows.org();
  const payloads = examples.flatMap(({ examples }) => examples);
  // The repository of the pushes and pull requests. Some other examples put it into another installation.
  const installationOf = new Map([[186_853_002, 1]]);
  for (const { repository, installation } of payloads) {
    if (!repository?.id || repository.id === 186_853_002) continue;
    installationOf.set(repository.id, installation?.id ?? installationOf.get(repository.id) ?? 1);
  }
  const installationIds = new Map<number, string>();
  const numbers = new Set([1, ...payloads.flatMap(({ installation }) => installation?.id ?? [])]);
  for (const number of numbers) installationIds.set(number, await rows.installation(githubAppId, number));
  const repositoryIds = new Map<number, string>();
  for (const [externalId, installation] of installationOf) {
    const installationId = installationIds.get(installation) ?? '';
    repositoryIds.set(externalId, await rows.repository({ githubAppId, installationId, externalId }));
  }
  const integrationId = await rows.integration({
    ...mine,
    githubAppId,
    installationId: installationIds.get(1) ?? '',
  });
  const repositoryId = repositoryIds.get(186_853_002) ?? '';
  const ids = { ...mine, appId: await rows.app({ ...mine, integrationId, repositoryId }) };
  const master = JSON.stringify(['master']);
  names.set(await rows.pipeline(ids), 'everything');
  names.set(await rows.pipeline(ids, { events: '["push"]', branches: '["main", "release/**"]' }), 'main');
  names.set(await rows.pipeline(ids, { events: '["pull_request"]', branches: master }), 'pulls');
}

async function outcomeOf(deliveryId: string): Promise<string> {
  const row = await database.reader('deliveries').where({ id: deliveryId }).first();
  const decisions = await database.reader('decisions').where({ delivery_id: deliveryId }).orderBy('pipeline_id');
  const parts = decisions.map(({ pipeline_id, outcome, reason }) => `${names.get(pipeline_id)}: ${outcome} ${reason}`);
  return [`${row?.status} ${row?.reason}`, ...parts].join('; ');
}

test('every example payload has the outcome in the table, and creates exactly those builds', async () => {
  const ids: Record<string, string[]> = {};
  for (const { name, examples: payloads } of examples) {
    ids[name] = await Promise.all(
      payloads.map(async (payload) => {
        const body = JSON.stringify(payload);
        const headers = hookHeaders({ appId, event: name, signature: sign(secret, body) });
        const response = await fetch(url, { method: 'POST', body, headers });
        expect(response.status).toBe(202);
        const answer = (await response.json()) as { delivery_id: string; duplicate: boolean };
        expect(answer.duplicate).toBe(false);
        return answer.delivery_id;
      }),
    );
  }
  const waiting = () => database.reader('deliveries').where({ status: 'received' });
  await expect.poll(waiting, { timeout: 20_000 }).toEqual([]);

  // This includes the five bodies that occur twice: their events build nothing, so a repetition is stored.
  expect(await database.reader('deliveries')).toHaveLength(329);
  const outcomes: Record<string, string[]> = {};
  for (const [name, deliveries] of Object.entries(ids)) outcomes[name] = await Promise.all(deliveries.map(outcomeOf));
  expect(outcomes).toEqual(JSON.parse(readFileSync(table, 'utf8')));

  const builds = await database.reader('builds');
  // Two pushes of a branch and six new or changed heads of pull requests. The third pipeline builds only the latter.
  expect(builds).toHaveLength(8 + 6);
  const started = () => temporal.handed.filter(({ workflow }) => workflow === 'dispatchBuild').length;
  await expect.poll(started).toBe(14);
});

test('the same examples with new IDs create no further builds', async () => {
  for (const { name, examples: payloads } of examples) {
    if (name !== 'push' && name !== 'pull_request') continue;
    for (const payload of payloads) {
      const body = JSON.stringify(payload);
      const headers = hookHeaders({ appId, event: name, signature: sign(secret, body) });
      const response = await fetch(url, { method: 'POST', body, headers });
      expect(await response.json()).toMatchObject({ duplicate: true });
    }
  }
  expect(await database.reader('builds')).toHaveLength(14);
});
