import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import { startGitHub } from '../support/github.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { startWhole, type Whole } from '../support/scenes/whole.ts';
import { world } from '../support/scenes/world.ts';

type Operation = { id: string; status: string; waits_for: { code: string; detail: string; since: number } | null };

let github: GitHubStandIn;
let whole: Whole;

beforeAll(async () => {
  github = await startGitHub();
  whole = await startWhole(github);
}, 60_000);
afterEach(() => github.faults.clear());
afterAll(async () => {
  await whole?.stop();
  await github?.close();
});

async function connected() {
  const app = await addOperatorApp(whole.database, github);
  const installation = github.addInstallation(app.theirs);
  const repository = github.addRepository(installation);
  return world(whole.database, { githubAppId: app.id, theirs: { installation, repository } });
}

const find = async ({ id }: Operation) =>
  (await whole.admin.ask<{ operation: Operation }>('GET', `/v1/operations/${id}`)).operation;
const waitOf = async (operation: Operation) => (await find(operation)).waits_for;

test('says that a deletion waits for GitHub, and why', { timeout: 60_000 }, async () => {
  const { integrationId } = await connected();
  github.faults.add({ method: 'DELETE', path: /^\/app\/installations\//, kind: 'status', status: 503 });
  const { operation } = await whole.admin.ask<{ operation: Operation }>('DELETE', `/v1/integrations/${integrationId}`);
  await expect
    .poll(() => waitOf(operation), { timeout: 20_000 })
    .toMatchObject({ code: 'unavailable', detail: expect.stringContaining('503'), since: expect.any(Number) });
  github.faults.clear();
  await expect.poll(() => find(operation), { timeout: 20_000 }).toMatchObject({ status: 'succeeded', waits_for: null });
});

test('does not tell a tenant about the account of another', { timeout: 60_000 }, async () => {
  const { integrationId } = await connected();
  github.faults.add({ path: /^\/installation\/repositories$/, kind: 'status', status: 503 });
  const sync = `/v1/integrations/${integrationId}/installations`;
  const { operation } = await whole.admin.ask<{ operation: Operation }>('POST', sync);
  await expect
    .poll(() => waitOf(operation), { timeout: 20_000 })
    .toEqual({
      code: 'unavailable',
      detail: 'An account of the GitHub App cannot be read yet. Fairlead retries.',
      since: expect.any(Number),
    });
  github.faults.clear();
  await expect.poll(() => find(operation), { timeout: 30_000 }).toMatchObject({ status: 'succeeded' });
});
