import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { deleteIntegration } from '../../../db/deletion/integration-deletion.ts';
import { repositoriesIn } from '../../../db/github/repositories.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import {
  type ExchangeScene,
  exchangeScene,
  type Given,
  type SceneProject,
} from '../../support/scenes/exchange-scene.ts';
import { addProject, addToken } from '../../support/scenes/tenants.ts';

let scene: ExchangeScene;

beforeAll(async () => {
  scene = await exchangeScene();
});
afterEach(() => {
  expect(scene.github.violations).toEqual([]);
  scene.github.faults.clear();
  vi.useRealTimers();
});
afterAll(() => scene.stop());

const pathOf = ({ projectId }: { projectId: string }) => `/v1/projects/${projectId}/credentials/exchange`;

async function exchange(of: SceneProject, body: object = {}, headers = {}) {
  const client = await scene.client(of);
  return client.send<Given>('POST', pathOf(of), { purpose: 'clone', app_id: of.appId, ...body }, headers);
}

async function given(of: SceneProject, body: object = {}): Promise<Given & { token: string }> {
  const answer = await exchange(of, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body as Given & { token: string };
}

/** Renames the repository at GitHub and stores what a sync reads. */
async function renamed(of: SceneProject, name: string): Promise<void> {
  const { theirs, githubAppId, installationId } = of;
  scene.github.renameRepository(theirs, name);
  const { id: externalId, owner, fullName } = theirs;
  const seen = { externalId, owner, name, fullName, url: `${scene.github.url}/${fullName}` };
  const rest = { visibility: 'private', defaultBranch: 'main', archived: false };
  await scene.database.write((trx) =>
    repositoriesIn(trx).upsert(githubAppId, installationId, [{ ...seen, ...rest }], {}),
  );
}

describe('a token', () => {
  test('is valid for the app’s repository and the purpose, for an hour at most', async () => {
    const mine = await scene.project();
    const before = Math.floor(Date.now() / 1000);
    const answer = await exchange(mine);

    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { token = '', expires_at, effective_scope, integration_id } = answer.body;
    expect(scene.isAlive(token)).toBe(true);
    expect(integration_id).toBe(mine.integrationId);
    expect(expires_at).toBeGreaterThan(before + 3_300);
    expect(expires_at).toBeLessThanOrEqual(before + 3_601);
    const permissions = { contents: 'read', metadata: 'read' };
    expect(effective_scope).toMatchObject({ repositories: [{ id: mine.repositoryId }], permissions, narrowed: null });
    expect(mine.mints().map(({ body }) => body)).toEqual([{ repository_ids: [mine.theirs.id], permissions }]);
  });

  test('for one host is never returned for another host', async () => {
    const mine = await scene.project();
    const narrow = await addToken(scene.database, { ...mine, narrowedTo: { appId: mine.appId } });
    for (const client of [await scene.client(mine), scene.api.as(narrow.secret)]) {
      const ask = (host: string) =>
        client.send<Given>('POST', pathOf(mine), { purpose: 'clone', app_id: mine.appId, host });
      expect((await ask('GitHub.com')).body.effective_scope).toMatchObject({ host_url: 'https://github.com' });
      expect(await ask('evil.example.com')).toMatchObject({ status: 422, body: { code: 'no_integration' } });
    }
  });

  test('is requested with the JWT of the App', async () => {
    const mine = await scene.project();
    await given(mine);
    const [asked] = mine.mints();
    const jwt = (asked?.authorization ?? '').replace(/^bearer /i, '');
    const claims = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
    expect(Number(claims.iss)).toBe(mine.installation.appId);
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(600);
    // The claim has whole seconds, and the request takes time.
    expect((asked?.at ?? 0) / 1000 - claims.iat).toBeLessThanOrEqual(65);
  });

  test('covers other repositories only if the request names them', async () => {
    const mine = await scene.project();
    const both = [mine.repositoryId, await scene.secondRepository(mine)];
    const { token, effective_scope } = await given(mine, { repositories: both });
    expect(effective_scope.repositories.map(({ id }) => id).sort()).toEqual(both.sort());
    expect(await given(mine)).not.toMatchObject({ token });
  });

  test('for reporting a status cannot read contents', async () => {
    const mine = await scene.project();
    const { effective_scope } = await given(mine, { purpose: 'status' });
    const permissions = { checks: 'write', metadata: 'read', statuses: 'write' };
    expect(effective_scope).toMatchObject({ permissions, narrowed: null });
    expect(mine.mints().map(({ body }) => body)).toEqual([{ repository_ids: [mine.theirs.id], permissions }]);
  });

  test('for reporting a status omits checks if the account does not grant them, and says so', async () => {
    const mine = await scene.project();
    const granted = { metadata: 'read', statuses: 'write' };
    await scene.grant(mine, granted);
    const { effective_scope } = await given(mine, { purpose: 'status' });
    expect(effective_scope).toMatchObject({ permissions: granted, narrowed: 'permission_missing' });
  });

  test('has the format that the request names', async () => {
    const mine = await scene.project();
    const { token } = await given(mine);
    expect((await exchange(mine, { format: 'basic' })).body).toMatchObject({
      username: 'x-access-token',
      password: token,
    });
    const { env = {} } = (await exchange(mine, { format: 'env' })).body;
    const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
    expect(env).toMatchObject({
      GH_TOKEN: token,
      GIT_CONFIG_KEY_0: 'http.https://github.com/.extraheader',
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    });
  });

  test('is shared by identical requests, each with its own lease and audit row', async () => {
    const mine = await scene.project();
    const [first, second] = [await given(mine), await given(mine)];
    expect(second.token).toBe(first.token);
    expect(second.lease_id).not.toBe(first.lease_id);
    expect(mine.mints()).toHaveLength(1);

    const leases = await scene.database.reader('leases').where({ project_id: mine.projectId });
    expect(leases.map(({ id }) => id).sort()).toEqual([first.lease_id, second.lease_id].sort());
    const audited = await scene.database.reader('audit_events').where({ project_id: mine.projectId });
    const exchanged = audited.filter(({ action }) => action === 'credentials.exchanged');
    expect(exchanged.map(({ target }) => target).sort()).toEqual([first.lease_id, second.lease_id].sort());
    expect(exchanged[0]).toMatchObject({ outcome: 'succeeded', org_id: mine.orgId });
    expect(exchanged[0]?.actor).toMatch(/^token:tok_/);
    expect(exchanged[0]?.ip).toContain('127.0.0.1');
  });

  test('is created once for concurrent requests', { timeout: 60_000 }, async () => {
    const mine = await scene.project();
    const client = await scene.client(mine);
    const body = { purpose: 'clone', app_id: mine.appId };
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => client.send<Given>('POST', pathOf(mine), body)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map((answer) => answer.body.token)).size).toBe(1);
    expect(mine.mints()).toHaveLength(1);
  });

  test('of one project is never given to another, although installation and repository are the same', async () => {
    const mine = await scene.project();
    const other = { orgId: mine.orgId, projectId: await addProject(scene.database, mine.orgId) };
    const theirs = { ...mine, ...other, ...(await scene.connected(other, mine)) };
    const [first, second] = [await given(mine), await given({ ...theirs, mints: mine.mints })];
    expect(second.effective_scope.repositories).toEqual(first.effective_scope.repositories);
    expect(second.token).not.toBe(first.token);
    expect(mine.mints()).toHaveLength(2);
  });

  test('is never stored in plain text, neither in its table nor under an Idempotency-Key', async () => {
    const mine = await scene.project();
    const client = await scene.client(mine);
    const key = { 'idempotency-key': 'once' };
    const ask = (format: string) =>
      client.send<Given>('POST', pathOf(mine), { purpose: 'clone', app_id: mine.appId, format }, key);
    const first = await ask('env');
    const again = await ask('env');
    expect(again).toMatchObject({ status: 200, body: { lease_id: first.body.lease_id, code: 'secret_not_repeated' } });
    expect(again.body.env).toBeUndefined();

    const { token } = await given(mine);
    expect(Object.values(first.body.env ?? {})).toContain(token);
    const spellings = [
      token,
      Buffer.from(`x-access-token:${token}`).toString('base64'),
      Buffer.from(token).toString('hex'),
    ];
    const everyCell = await dumpOf();
    for (const spelling of spellings) expect(everyCell).not.toContain(spelling);
    // Control: the same search finds a value that is stored.
    expect(everyCell).toContain(mine.theirs.fullName);
  });
});

async function dumpOf(): Promise<string> {
  const { reader, dialect } = scene.database;
  const names: { name: string }[] =
    dialect === 'sqlite'
      ? await reader('sqlite_master').where({ type: 'table' }).select('name')
      : await reader('pg_tables').where({ schemaname: 'public' }).select('tablename as name');
  const tables = await Promise.all(names.map(({ name }) => reader(name)));
  return JSON.stringify(tables, (_, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
  );
}

describe('the minimum lifetime', () => {
  test('is rejected if it exceeds the maximum token lifetime', async () => {
    const mine = await scene.project();
    expect(await exchange(mine, { min_ttl: 3_301 })).toMatchObject({ status: 422, body: { code: 'min_ttl_too_long' } });
    expect(mine.mints()).toHaveLength(0);
    expect((await exchange(mine, { min_ttl: 3_300 })).status).toBe(200);
  });

  test('requests a new token if the cached one expires too early', async () => {
    const mine = await scene.project();
    const first = await given(mine);
    vi.setSystemTime(Date.now() + 20 * 60_000);
    expect((await given(mine, { min_ttl: 2_000 })).token).toBe(first.token);
    const second = await given(mine, { min_ttl: 3_000 });
    expect(second.token).not.toBe(first.token);
    expect((await given(mine)).token).toBe(second.token);
    expect(mine.mints()).toHaveLength(2);
  });
});

describe('a repository that is named', () => {
  test('by a former name or by its wiki gets the token that its name gets', async () => {
    const mine = await scene.project();
    const { owner, name, fullName } = mine.theirs;
    await renamed(mine, 'gadgets');
    const body = { app_id: undefined, integration_id: mine.integrationId };
    const names = [
      `${owner}/gadgets`,
      fullName,
      `${owner}/${name.toUpperCase()}`,
      `${owner}/gadgets.wiki`,
      `${fullName}.wiki`,
    ];
    const tokens = [];
    for (const one of names) tokens.push((await given(mine, { ...body, repositories: [one] })).token);
    expect(new Set(tokens).size).toBe(1);
    expect(mine.mints()).toMatchObject([{ body: { repository_ids: [mine.theirs.id] } }]);
    const { effective_scope } = await given(mine, { ...body, repositories: [fullName] });
    expect(effective_scope).toMatchObject({ repositories: [{ id: mine.repositoryId, full_name: `${owner}/gadgets` }] });
  });

  test('by the former name of its app’s repository is that repository', async () => {
    const mine = await scene.project();
    const before = mine.theirs.fullName;
    await renamed(mine, 'gadgets');
    const narrow = await addToken(scene.database, { ...mine, narrowedTo: { appId: mine.appId } });
    const ask = (repository: string) =>
      scene.api
        .as(narrow.secret)
        .send<Given>('POST', pathOf(mine), { purpose: 'clone', app_id: mine.appId, repositories: [repository] });
    expect(await ask(before)).toMatchObject({ status: 200 });
    expect(await ask('acme/another.wiki')).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
  });
});

describe('an integration', () => {
  test('is optional if only one fits, and the response lists them if there are several', async () => {
    const mine = await scene.project();
    const body = { app_id: undefined, repositories: [mine.repositoryId] };
    expect((await given(mine, body)).integration_id).toBe(mine.integrationId);
    const second = await scene.connected(mine);
    const ambiguous = await exchange(mine, body);
    expect(ambiguous).toMatchObject({ status: 409, body: { code: 'ambiguous_integration' } });
    const { integrations } = ambiguous.body as unknown as { integrations: { id: string }[] };
    expect(integrations.map(({ id }) => id).sort()).toEqual([mine.integrationId, second.integrationId].sort());
    const named = { ...body, integration_id: second.integrationId };
    expect(await exchange(mine, named)).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
    expect((await given(mine, { ...named, repositories: [second.repositoryId] })).integration_id).toBe(
      second.integrationId,
    );
  });

  test('of another project returns no_integration', async () => {
    const [mine, other] = [await scene.project(), await scene.project()];
    const body = { app_id: undefined, integration_id: other.integrationId, repositories: [other.repositoryId] };
    expect(await exchange(mine, body)).toMatchObject({ status: 422, body: { code: 'no_integration' } });
    expect((await exchange(mine, { app_id: other.appId })).status).toBe(404);
    expect(other.mints()).toHaveLength(0);
  });

  test('that is unusable issues no token', async () => {
    const mine = await scene.project();
    await given(mine);
    await scene.database.write((trx) => allIntegrations(trx).moveStatus(mine.integrationId, 'suspended'));
    expect(await exchange(mine)).toMatchObject({ status: 409, body: { code: 'integration_unusable' } });
  });

  test('whose installation lacks a permission names that permission', async () => {
    const mine = await scene.project();
    await scene.grant(mine, { metadata: 'read' });
    const answer = await exchange(mine);
    expect(answer).toMatchObject({ status: 422, body: { code: 'permission_missing' } });
    expect(JSON.stringify(answer.body)).toContain('contents: read');
  });

  test('returns 502 when GitHub is unreachable, and the next request tries again', async () => {
    const mine = await scene.project();
    scene.github.faults.add({ path: /access_tokens$/, kind: 'lost_answer', times: 1 });
    expect(await exchange(mine)).toMatchObject({ status: 502, body: { code: 'provider_unavailable' } });
    expect((await exchange(mine)).status).toBe(200);
  });
});

describe('while the integration is being deleted', () => {
  const cutOff = (mine: SceneProject) =>
    scene.database.write((trx) =>
      deleteIntegration(trx, {
        id: mine.integrationId,
        orgId: mine.orgId,
        projectId: mine.projectId,
        revocation: 'never',
        audit: async () => {},
      }),
    );
  const tokensOf = (mine: SceneProject) =>
    [...scene.github.state.tokens.values()].filter(({ installationId }) => installationId === mine.installation.id);

  test('a token that is being created is revoked and not returned', async () => {
    const mine = await scene.project();
    scene.github.faults.add({ path: /access_tokens$/, kind: 'slow', delayMs: 400, times: 1 });
    const asked = exchange(mine);
    await expect.poll(() => mine.mints().length).toBe(1);
    await cutOff(mine);
    expect(await asked).toMatchObject({ status: 409, body: { code: 'integration_deleted' } });
    await expect.poll(() => tokensOf(mine).map(({ revoked }) => revoked)).toEqual([true]);
    expect(await scene.database.reader('leases').where({ project_id: mine.projectId })).toEqual([]);
  });

  test('twenty callers get nothing after the deletion, and their tokens are revoked', async () => {
    const mine = await scene.project();
    const client = await scene.client(mine);
    let deletedAt = Number.POSITIVE_INFINITY;
    const late: string[] = [];
    let before = 0;
    const caller = async (which: number) => {
      const body = { purpose: which % 2 ? 'clone' : 'status', app_id: mine.appId };
      for (let after = 0; after < 3; ) {
        const startedAt = performance.now();
        const { status, body: answer } = await client.send<Given>('POST', pathOf(mine), body);
        if (startedAt < deletedAt) {
          before += status === 200 ? 1 : 0;
          continue;
        }
        after += 1;
        if (status !== 409) late.push(`${status}: ${JSON.stringify(answer)}`);
      }
    };
    const callers = Array.from({ length: 20 }, (_, which) => caller(which));
    await expect.poll(() => before, { timeout: 10_000 }).toBeGreaterThan(40);
    await cutOff(mine);
    deletedAt = performance.now();
    const leases = await scene.database.reader('leases').where({ project_id: mine.projectId });
    await Promise.all(callers);
    expect(late).toEqual([]);
    expect(await scene.database.reader('leases').where({ project_id: mine.projectId })).toHaveLength(leases.length);
    await scene.revokeAll();
    expect(tokensOf(mine).every(({ revoked }) => revoked)).toBe(true);
    const outcomes = await scene.database.reader('leases').where({ project_id: mine.projectId }).distinct('outcome');
    expect(outcomes).toEqual([{ outcome: 'revoked' }]);
  });
});

describe('a lease', () => {
  type View = { status: string; outcome: string | null; holder: string; operation?: { id: string; status: string } };

  test('revokes its token only if it is the last lease', async () => {
    const mine = await scene.project();
    const client = await scene.client(mine);
    const [first, second] = [await given(mine), await given(mine)];
    const one = await client.send<View>('DELETE', `/v1/leases/${first.lease_id}`);
    expect(one).toMatchObject({ status: 200, body: { status: 'revoked', outcome: 'expires' } });
    expect(scene.isAlive(first.token)).toBe(true);

    const two = await client.send<View>('DELETE', `/v1/leases/${second.lease_id}`);
    expect(two).toMatchObject({ status: 202, body: { status: 'revoked', outcome: 'unconfirmed' } });
    expect((await given(mine)).token).not.toBe(first.token);
    await scene.revokeAll();
    expect(scene.isAlive(first.token)).toBe(false);
    const listed = await client.ask<View[]>('GET', `/v1/leases?project_id=${mine.projectId}&status=revoked`);
    expect(listed.map(({ outcome }) => outcome)).toEqual(['revoked', 'revoked']);
    const operation = await client.ask('GET', `/v1/operations/${two.body.operation?.id}`);
    expect(operation).toMatchObject({ operation: { status: 'succeeded' } });
    expect(await client.send('DELETE', `/v1/leases/${first.lease_id}`)).toMatchObject({ status: 200 });
  });

  test('is revoked by the next attempt if the provider did not respond to the first', async () => {
    const mine = await scene.project();
    const client = await scene.client(mine);
    const { lease_id, token } = await given(mine);
    await client.send('DELETE', `/v1/leases/${lease_id}`);
    scene.github.faults.add({ path: /^\/installation\/token$/, kind: 'lost_answer', times: 1 });
    await expect(scene.revokeAll()).rejects.toMatchObject({ code: 'network' });
    await expect(client.ask('GET', '/v1/leases')).resolves.toMatchObject([{ outcome: 'unconfirmed' }]);
    await scene.revokeAll();
    expect(scene.isAlive(token)).toBe(false);
    await expect(client.ask('GET', '/v1/leases')).resolves.toMatchObject([{ outcome: 'revoked' }]);
    const sealed = await scene.database.reader('minted_tokens').where({ integration_id: mine.integrationId });
    expect(sealed.map((row) => row.sealed)).toEqual([null]);
  });

  test('is listed by integration, project and status', async () => {
    const mine = await scene.project();
    const client = await scene.client(mine);
    const { lease_id } = await given(mine);
    for (const filter of [`integration_id=${mine.integrationId}`, `project_id=${mine.projectId}`, 'status=active']) {
      expect(await client.ask('GET', `/v1/leases?${filter}`)).toMatchObject([{ id: lease_id }]);
    }
    const other = await scene.project();
    expect(await client.ask('GET', `/v1/leases?integration_id=${other.integrationId}`)).toEqual([]);
    expect(await client.ask('GET', '/v1/leases?status=expired')).toEqual([]);
    const stranger = await scene.client({ orgId: other.orgId });
    expect((await stranger.send('DELETE', `/v1/leases/${lease_id}`)).status).toBe(404);
  });
});

test('A token without the scope gets nothing', async () => {
  const mine = await scene.project();
  const { secret } = await addToken(scene.database, mine, ['integrations:read', 'credentials:rotate']);
  const answer = await scene.api.as(secret).send('POST', pathOf(mine), { purpose: 'clone', app_id: mine.appId });
  expect(answer).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
});
