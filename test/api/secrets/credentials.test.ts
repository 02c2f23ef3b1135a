import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { registerOperatorApp } from '../../../db/github/operator-app.ts';
import { addKey, fingerprintOf } from '../../../stand-ins/github/credentials.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring } from '../../support/hooks.ts';
import {
  addOwnApp,
  type CredentialBody,
  type RotationScene,
  rotationScene,
} from '../../support/scenes/rotation-scene.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addToken, addUser } from '../../support/scenes/tenants.ts';

let github: GitHubStandIn;
let api: TestApi;
let scene: RotationScene;

beforeAll(async () => {
  github = await startGitHub();
  api = await startApi();
});

beforeEach(async () => {
  scene = await rotationScene(api, github);
});

afterAll(async () => {
  await api?.stop();
  await github?.close();
});

describe('PATCH', () => {
  const at = () => `/v1/integrations/${scene.integrationId}`;

  test('renames, and creates no version of a credential', async () => {
    const before = await scene.caller.ask('GET', scene.at);
    const read = await scene.caller.send('GET', at());
    const etag = read.headers.get('etag') ?? '';
    const renamed = await scene.caller.send('PATCH', at(), { display_name: 'Ours' }, { 'if-match': etag });
    expect(renamed).toMatchObject({ status: 200, body: { display_name: 'Ours' } });
    expect(renamed.headers.get('etag')).not.toBe(etag);
    expect(await scene.caller.ask('GET', scene.at)).toEqual(before);

    const stale = await scene.caller.send('PATCH', at(), { display_name: 'Theirs' }, { 'if-match': etag });
    expect(stale).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
    expect(await scene.caller.ask('GET', at())).toMatchObject({ display_name: 'Ours' });
  });

  test('succeeds once for concurrent requests with the same revision', async () => {
    const { headers } = await scene.caller.send('GET', at());
    const match = { 'if-match': headers.get('etag') ?? '' };
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd'].map((display_name) => scene.caller.send('PATCH', at(), { display_name }, match)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
  });

  test('replaces the metadata, but keeps the fields that Fairlead sets', async () => {
    await api.database.write((trx) =>
      trx('integrations').where({ id: scene.integrationId }).update({ metadata: '{"installation_id":7,"old":true}' }),
    );
    const metadata = { team: 'core', installation_id: 9 };
    expect(await scene.caller.ask('PATCH', at(), { metadata })).toMatchObject({
      metadata: { team: 'core', installation_id: 7 },
    });
    const { metadata: kept } = await scene.caller.ask<{ metadata: object }>('GET', at());
    expect(kept).toEqual({ team: 'core', installation_id: 7 });
    const long = await scene.caller.send('PATCH', at(), { metadata: { note: 'x'.repeat(5_000) } });
    expect(long).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });

  test('is rejected for an integration that is being deleted', async () => {
    await api.database.write((trx) =>
      trx('integrations').where({ id: scene.integrationId }).update({ status: 'deleting' }),
    );
    for (const [method, path, body] of [
      ['PATCH', at(), { display_name: 'x' }],
      ['POST', `${scene.at}/rotate`, { kind: 'webhook_secret' }],
      ['POST', `${scene.at}/rollback`, { kind: 'webhook_secret' }],
    ] as const) {
      expect(await scene.caller.send(method, path, body)).toMatchObject({
        status: 409,
        body: { code: 'integration_deleted' },
      });
    }
  });
});

describe('the list of credentials', () => {
  test('has kinds, versions and the fingerprint of a key, and no secret', async () => {
    const { status, body } = await scene.caller.send<CredentialBody[]>('GET', scene.at);
    expect(status).toBe(200);
    const version = (fingerprint: string | null) => ({
      version: 1,
      status: 'active',
      fingerprint,
      created_at: expect.any(Number),
      updated_at: expect.any(Number),
    });
    const one = (kind: string, fingerprint: string | null = null) => ({
      id: expect.stringMatching(/^cred_/),
      kind,
      versions: [version(fingerprint)],
      rotation: null,
      created_at: expect.any(Number),
      updated_at: expect.any(Number),
    });
    const { theirs } = scene;
    expect(body).toEqual([
      one('client_secret'),
      one('private_key', fingerprintOf(theirs.privateKey)),
      one('webhook_secret'),
    ]);
    const text = JSON.stringify(body);
    for (const secret of [theirs.clientSecret, theirs.webhookSecret, 'PRIVATE KEY']) expect(text).not.toContain(secret);
  });

  test('shows the rotation in progress', async () => {
    const { body } = await scene.rotate('private_key', { private_key: addKey(scene.theirs) });
    expect((await scene.credential('private_key')).rotation).toMatchObject({
      operation_id: body.operation.id,
      mode: 'assisted',
      phase: 'proving',
      new_version: 2,
      old_version: 1,
    });
  });
});

describe('a rotation', () => {
  test('is rejected while another is in progress, also for twenty concurrent requests', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => scene.rotate('webhook_secret')));
    const accepted = answers.filter(({ status }) => status === 202);
    expect(accepted).toHaveLength(1);
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused).toHaveLength(19);
    const operation_id = accepted[0]?.body.operation.id;
    for (const { body } of refused) {
      expect(body).toMatchObject({ code: 'rotation_in_progress', operation_id, phase: 'proving' });
    }
    expect(await scene.statuses('webhook_secret')).toEqual(['active', 'pending']);
    // A rotation of another kind is independent.
    expect((await scene.rotate('client_secret', { client_secret: 'another secret' })).status).toBe(202);
  });

  test('of a client secret cannot end the old one, which only its owner can delete', async () => {
    const { status, body } = await scene.rotate('client_secret', { client_secret: 'another secret', now: true });
    expect([status, body]).toMatchObject([400, { errors: [{ path: 'body.now' }] }]);
  });

  test('writes one command for its workflow, with IDs only', async () => {
    const key = addKey(scene.theirs);
    const { body } = await scene.rotate('private_key', { private_key: key });
    const commands = await api.database.reader('commands').where({ workflow_id: body.operation.workflow_id });
    expect(commands).toMatchObject([{ action: 'signal_with_start', workflow: 'rotateCredential' }]);
    expect(JSON.parse(commands[0]?.input ?? '')).toEqual({ rotationId: await scene.rotationOf('private_key') });
    expect(body.operation.workflow_id).toBe(`rotate/${body.credential_id}/${body.operation.id}`);
    const everything = JSON.stringify([
      body,
      commands,
      await api.database.reader('audit_events'),
      await api.database.reader('credential_versions'),
      await api.database.reader('idempotency_keys'),
    ]);
    for (const line of key.split('\n').slice(1, -2)) expect(everything).not.toContain(line);
  });

  test.each([
    ['no key', { kind: 'private_key' }, 'body.private_key'],
    ['an invalid key', { kind: 'private_key', private_key: 'x'.repeat(200) }, 'body.private_key'],
    ['no client secret', { kind: 'client_secret' }, 'body.client_secret'],
    ['the secret of another kind', { kind: 'webhook_secret', client_secret: 'a secret of one' }, 'body.client_secret'],
  ])('with %s is rejected, and the error names the field', async (_, body, path) => {
    const refused = await scene.caller.send('POST', `${scene.at}/rotate`, body);
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request', errors: [{ path }] } });
    expect((await scene.credential('private_key')).versions).toHaveLength(1);
  });

  test('to the secret in use is rejected, in any notation', async () => {
    const { privateKey, clientSecret, webhookSecret } = scene.theirs;
    const escaped = privateKey.replaceAll('\n', '\\n');
    for (const answer of [
      await scene.rotate('private_key', { private_key: privateKey }),
      await scene.rotate('private_key', { private_key: escaped }),
      await scene.rotate('client_secret', { client_secret: clientSecret }),
      await scene.rotate('webhook_secret', { secret: webhookSecret }),
    ]) {
      expect(answer).toMatchObject({ status: 422, body: { code: 'credential_unchanged' } });
    }
  });

  test('requires the scope and the organization', async () => {
    const others = (await addToken(api.database, scene, ['integrations:write', 'integrations:read'])).secret;
    const body = { kind: 'webhook_secret' };
    expect((await api.as(others).send('POST', `${scene.at}/rotate`, body)).status).toBe(403);
    const { session } = await addUser(api.database, scene.orgId, 'developer');
    expect((await api.as(session).send('POST', `${scene.at}/rotate`, body)).status).toBe(403);
    const foreign = await addOwnApp(api.database, github);
    const { secret } = await addToken(api.database, foreign);
    expect((await api.as(secret).send('POST', `${scene.at}/rotate`, body)).status).toBe(404);
    expect((await api.as(secret).send('GET', scene.at)).status).toBe(404);
  });

  test('of the operator’s App is done in the environment, and only the operator sees its credentials', async () => {
    const theirs = github.addApp();
    const app = await registerOperatorApp(
      api.database,
      keyring,
      { ...theirs, hostUrl: github.url, apiUrl: github.apiUrl },
      async (_trx, id) => ({ action: 'start', workflow: 'x', workflowId: id, input: null }),
    );
    const { orgId, projectId } = scene;
    const installationId = await seed(api.database).installation(app.id, github.addInstallation(theirs).id);
    const integrationId = await seed(api.database).integration({
      orgId,
      projectId,
      githubAppId: app.id,
      installationId,
    });
    const at = `/v1/integrations/${integrationId}/credentials`;
    for (const client of [scene.caller, api.admin]) {
      for (const act of ['rotate', 'rollback']) {
        const answer = await client.send('POST', `${at}/${act}`, { kind: 'webhook_secret' });
        expect(answer).toMatchObject({ status: 409, body: { code: 'operator_credential' } });
      }
    }
    expect(await scene.caller.ask('GET', at)).toEqual([]);
    expect(await api.admin.ask<unknown[]>('GET', at)).toHaveLength(3);
  });

  test('names the settings of the organization that the App was created for', async () => {
    const now = Date.now();
    const { orgId, projectId, githubAppId } = scene;
    await api.database.write((trx) =>
      trx('connect_flows').insert({
        id: `flow_${githubAppId.slice(4)}`,
        org_id: orgId,
        project_id: projectId,
        kind: 'manifest',
        created_by: 'system',
        host_url: github.url,
        api_url: github.apiUrl,
        github_app_id: githubAppId,
        app_name: 'x',
        account_login: 'acme',
        status: 'completed',
        expires_at: now,
        created_at: now,
        updated_at: now,
        finished_at: now,
      } as never),
    );
    const { body } = await scene.rotate('webhook_secret');
    expect(body.settings_url).toBe(`${github.url}/organizations/acme/settings/apps/${scene.theirs.slug}`);
  });
});
