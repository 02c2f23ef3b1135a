import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { App, GitHubStandIn, Repository } from '../../stand-ins/github/stand-in.ts';
import { startGitHub } from '../support/github.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { allBuilds, setUpApp, workflowFile } from '../support/scenes/platform.ts';
import { seed } from '../support/scenes/seed.ts';
import { addToken } from '../support/scenes/tenants.ts';
import { startWhole, type Whole } from '../support/scenes/whole.ts';

type Host = { github: GitHubStandIn; name: string; app: App; repository: Repository; githubAppId: string };
type Tenant = { mine: Whole['admin']; integrationId: string };

/** An App, an installation and a repository have these numbers on every host. */
const numbers = { app: 7, installation: 5, repository: 101 };
const soon = { timeout: 30_000, interval: 200 };

let standIns: GitHubStandIn[];
let whole: Whole;
let hosts: (Host & Tenant)[];

/** A host with the operator's App and an organization that uses its installation. */
async function settle(github: GitHubStandIn, at: number): Promise<Host & Tenant> {
  const { database } = whole;
  const name = `host${at}`;
  github.autoRuns = true;
  const app = github.addApp({ appId: numbers.app, hookUrl: `${whole.url}/v1/webhooks/github` });
  const account = { login: name, id: 9_000, type: 'Organization' } as const;
  const installation = github.addInstallation(app, { id: numbers.installation, account });
  const workflows = { '.github/workflows/deploy.yml': workflowFile };
  const repository = github.addRepository(installation, { id: numbers.repository, name, workflows });
  const { id: githubAppId } = await addOperatorApp(database, github, { hostUrl: github.url, theirs: app });

  const rowOf = () => database.reader('installations').where({ github_app_id: githubAppId }).first();
  await vi.waitFor(
    async () => expect(await rowOf()).toMatchObject({ external_id: numbers.installation, account_login: name }),
    soon,
  );
  const rows = seed(database);
  const { orgId, projectId } = await rows.org(name);
  const installationId = (await rowOf())?.id ?? '';
  const integrationId = await rows.integration({ orgId, projectId, githubAppId, installationId });
  const mine = whole.as((await addToken(database, { orgId })).secret);
  await setUpApp(mine, { projectId, integrationId, repositoryId: numbers.repository });
  return { github, name, app, repository, githubAppId, mine, integrationId };
}

beforeAll(async () => {
  standIns = await Promise.all([
    startGitHub(),
    startGitHub({ flavour: 'ghes' }),
    startGitHub({ flavour: 'ghes', enterpriseVersion: '3.17.2' }),
  ]);
  const [first, ...others] = standIns;
  whole = await startWhole(first, { others });
  hosts = await Promise.all(standIns.map(settle));
}, 120_000);
afterEach(() => {
  for (const github of standIns) expect(github.violations).toEqual([]);
});
afterAll(async () => {
  await whole?.stop();
  await Promise.all(standIns.map((one) => one.close()));
});

/** No host saw a token of another host. */
function expectOwnTokens(): void {
  for (const github of standIns) {
    expect(github.ledger.filter(({ status }) => status === 401)).toEqual([]);
    const used = github.ledger.flatMap(({ authorization }) => /^token (ghs_.*)$/.exec(authorization ?? '')?.[1] ?? []);
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((token) => !github.state.tokens.has(token))).toEqual([]);
  }
}

test('syncs three hosts with equal numbers separately', async () => {
  for (const { githubAppId, name, mine, integrationId, github } of hosts) {
    const repositories = await whole.database.reader('repositories').where({ github_app_id: githubAppId });
    expect(repositories).toMatchObject([{ external_id: numbers.repository, full_name: `${name}/${name}` }]);
    expect(repositories[0]?.url).toContain(github.url);
    const listed = await mine.ask('GET', `/v1/integrations/${integrationId}/repositories`);
    expect(listed).toMatchObject([{ full_name: `${name}/${name}` }]);
  }
  expectOwnTokens();
});

test('builds a push of each host where it was pushed, with one webhook URL for all', async () => {
  const pushes = hosts.map(({ github, repository }) => github.push(repository, { ref: 'refs/heads/main' }));
  const answers = hosts.map(({ github, app }, at) =>
    github.sendWebhook({ app, event: 'push', payload: pushes[at] as (typeof pushes)[0] }),
  );
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([202, 202, 202]);
  for (const [at, { github, mine }] of hosts.entries()) {
    const sha = pushes[at]?.['after'];
    await expect
      .poll(async () => (await allBuilds(mine)).map((build) => [build.status, build.sha]), soon)
      .toEqual([['succeeded', sha]]);
    const dispatched = github.requests({ path: /\/dispatches$/ }).map(({ body }) => body);
    expect(dispatched).toMatchObject([{ inputs: { fairlead_sha: sha } }]);
  }
  expectOwnTokens();
}, 60_000);

test('never accepts a webhook that another host signed, regardless of the host it names', async () => {
  const [, first, second] = hosts as [Host & Tenant, Host & Tenant, Host & Tenant];
  const before = await whole.database.reader('deliveries').count({ count: '*' }).first();
  const payload = first.github.push(first.repository, { ref: 'refs/heads/main' });
  const headers = { 'x-github-enterprise-host': new URL(second.github.url).host };
  const to = `${whole.url}/v1/webhooks/github/${second.githubAppId}`;
  for (const forged of [{ headers }, { to }, { headers, to }]) {
    const answer = await first.github.sendWebhook({ app: first.app, event: 'push', payload, ...forged });
    expect(answer.status).toBe(401);
  }
  expect(await whole.database.reader('deliveries').count({ count: '*' }).first()).toEqual(before);
});

test('keeps the installations of other hosts when one host’s changes', async () => {
  const [first, gone, last] = hosts as [Host & Tenant, Host & Tenant, Host & Tenant];
  const installation = gone.github.state.installations.get(numbers.installation);
  if (!installation) throw new Error('no installation');
  const payload = gone.github.uninstall(installation);
  expect((await gone.github.sendWebhook({ app: gone.app, event: 'installation', payload })).status).toBe(202);
  const removedAt = async ({ githubAppId }: Host) =>
    (await whole.database.reader('installations').where({ github_app_id: githubAppId }).first())?.removed_at;
  await expect.poll(() => removedAt(gone), soon).not.toBeNull();
  for (const other of [first, last]) {
    expect(await removedAt(other)).toBeNull();
    expect(await other.mine.ask('GET', `/v1/integrations/${other.integrationId}`)).toMatchObject({ status: 'active' });
  }
});
