import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { purgeCredentials } from '../../../db/secrets/credentials.ts';
import {
  addClientSecret,
  addKey,
  deleteClientSecret,
  deleteKey,
  fingerprintOf,
} from '../../../stand-ins/github/credentials.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { startGitHub } from '../../support/github.ts';
import { type RotationScene, rotationScene } from '../../support/scenes/rotation-scene.ts';

let github: GitHubStandIn;
let api: TestApi;
let scene: RotationScene;
/** Secrets of another App. */
let foreign: { key: string; secret: string };

beforeAll(async () => {
  github = await startGitHub();
  api = await startApi();
  const { privateKey: key, clientSecret: secret } = github.addApp();
  foreign = { key, secret };
});

beforeEach(async () => {
  github.faults.clear();
  scene = await rotationScene(api, github);
});

afterAll(async () => {
  await api?.stop();
  await github?.close();
});

describe('a webhook secret', () => {
  test('is replaced without a rejected webhook, even if any step is repeated', async () => {
    const { theirs } = scene;
    const old = theirs.webhookSecret;
    const started = await scene.rotate('webhook_secret');
    expect(started.status).toBe(202);
    expect(started.body).toMatchObject({ mode: 'auto', operation: { status: 'running' } });
    const rotationId = await scene.rotationOf('webhook_secret');
    expect(await scene.statuses('webhook_secret')).toEqual(['active', 'pending']);
    await scene.expectUsable();
    expect(await scene.twice.readRotation({ rotationId })).toMatchObject({ step: 'prove', isWebhook: true });

    await scene.twice.proveVersion({ rotationId });
    expect(theirs.webhookSecret).not.toBe(old);
    expect(theirs.webhookSecret).toMatch(/^[0-9a-f]{64}$/);
    expect(await scene.statuses('webhook_secret')).toEqual(['active', 'pending']);
    await scene.expectUsable();
    expect(await scene.answerTo(old)).toBe(202);

    await scene.twice.cutOver({ rotationId });
    expect(await scene.statuses('webhook_secret')).toEqual(['retiring', 'active']);
    expect(await scene.operation(started.body.operation.id)).toMatchObject({ status: 'succeeded', error: null });
    await scene.expectUsable();
    expect(await scene.answerTo(old)).toBe(202);

    await scene.twice.settleVersion({ rotationId });
    await scene.twice.retireOldVersion({ rotationId, isDead: true });
    expect(await scene.statuses('webhook_secret')).toEqual(['purged', 'active']);
    expect(await scene.twice.readRotation({ rotationId })).toMatchObject({ step: 'over', phase: 'done' });
    await scene.expectUsable();
    expect(await scene.answerTo(old)).toBe(401);
    expect(await api.database.reader('credential_versions').where({ status: 'purged' }).whereNotNull('sealed')).toEqual(
      [],
    );
  });

  test('is replaced without other changes to the webhook, and the content type is sent each time', async () => {
    const { url, secret } = { url: scene.theirs.hookUrl, secret: 'a secret of the caller’s own' };
    await scene.rotate('webhook_secret', { secret });
    await scene.once.proveVersion({ rotationId: await scene.rotationOf('webhook_secret') });
    expect(scene.theirs).toMatchObject({ hookUrl: url, contentType: 'json', webhookSecret: secret });
    const [patched] = github.requests({ method: 'PATCH', path: /hook\/config/ }).slice(-1);
    expect(patched?.body).toEqual({ url, content_type: 'json', insecure_ssl: '0', secret });
    expect(github.violations).toEqual([]);
  });

  test('whose change got no response is sent again, and both secrets verify until the result is known', async () => {
    const old = scene.theirs.webhookSecret;
    await scene.rotate('webhook_secret');
    const rotationId = await scene.rotationOf('webhook_secret');
    github.faults.add({ method: 'PATCH', path: /hook\/config/, times: 1, kind: 'lost_answer' });
    await expect(scene.once.proveVersion({ rotationId })).rejects.toMatchObject({ type: 'network' });
    const told = scene.theirs.webhookSecret;
    expect(told).not.toBe(old);
    expect([await scene.answerTo(old), await scene.answerTo(told)]).toEqual([202, 202]);

    await scene.once.proveVersion({ rotationId });
    expect(scene.theirs.webhookSecret).toBe(told);
    await scene.once.cutOver({ rotationId });
    await scene.expectUsable();
  });

  test('that GitHub rejects leaves the old one in use', async () => {
    const old = scene.theirs.webhookSecret;
    const { body } = await scene.rotate('webhook_secret', { secret: 'one that is never told' });
    const rotationId = await scene.rotationOf('webhook_secret');
    github.faults.add({ method: 'PATCH', path: /hook\/config/, times: 1, kind: 'status', status: 422 });
    await expect(scene.once.proveVersion({ rotationId })).rejects.toMatchObject({
      type: 'validation',
      nonRetryable: true,
    });
    await scene.twice.giveUpProof({ rotationId, code: 'validation', detail: 'GitHub does not accept it' });
    expect(await scene.statuses('webhook_secret')).toEqual(['active', 'rejected']);
    expect(await scene.operation(body.operation.id)).toMatchObject({ status: 'failed', error: { code: 'validation' } });
    expect(await scene.answerTo('one that is never told')).toBe(401);
    expect(await scene.answerTo(old)).toBe(202);
    await scene.expectUsable();
    expect((await scene.rotate('webhook_secret')).status).toBe(202);
  });

  test('that GitHub might have stored despite a later rejection is uncertain, and verifies', async () => {
    await scene.rotate('webhook_secret');
    const rotationId = await scene.rotationOf('webhook_secret');
    github.faults.add({ method: 'PATCH', path: /hook\/config/, times: 1, kind: 'lost_answer' });
    await expect(scene.once.proveVersion({ rotationId })).rejects.toThrow();
    github.faults.add({ method: 'PATCH', path: /hook\/config/, times: 1, kind: 'status', status: 422 });
    await expect(scene.once.proveVersion({ rotationId })).rejects.toThrow();
    await scene.twice.giveUpProof({ rotationId, code: 'validation', detail: 'GitHub does not accept it' });
    expect(await scene.statuses('webhook_secret')).toEqual(['active', 'uncertain']);
    await scene.expectUsable();

    // The next rotation removes it.
    await scene.rotate('webhook_secret');
    const next = await scene.rotationOf('webhook_secret');
    await scene.once.proveVersion({ rotationId: next });
    await scene.once.cutOver({ rotationId: next });
    await scene.expectUsable();
    await scene.once.retireOldVersion({ rotationId: next, isDead: true });
    expect(await scene.statuses('webhook_secret')).toEqual(['purged', 'purged', 'active']);
    await scene.expectUsable();
  });

  test('is rolled back while the old one is retiring, even if any step is repeated', async () => {
    const old = scene.theirs.webhookSecret;
    const { body: first } = await scene.rotate('webhook_secret');
    const rotationId = await scene.rotationOf('webhook_secret');
    expect((await scene.rollback('webhook_secret')).status).toBe(409);
    await scene.once.proveVersion({ rotationId });
    await scene.once.cutOver({ rotationId });
    const taken = scene.theirs.webhookSecret;

    const { status, body } = await scene.rollback('webhook_secret');
    expect(status).toBe(202);
    expect(body.operation.workflow_id).toBe(first.operation.workflow_id);
    expect(await scene.rollback('webhook_secret')).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
    expect(await scene.once.readRotation({ rotationId })).toMatchObject({ step: 'roll_back' });
    // A late end of the overlap has no effect.
    await scene.once.retireOldVersion({ rotationId, isDead: true });
    await scene.expectUsable();
    github.faults.add({ method: 'PATCH', path: /hook\/config/, times: 1, kind: 'lost_answer' });
    await expect(scene.once.proveOldVersion({ rotationId })).rejects.toThrow();
    await scene.expectUsable();
    await scene.twice.proveOldVersion({ rotationId });
    expect(scene.theirs.webhookSecret).toBe(old);
    await scene.twice.cutBack({ rotationId });
    expect(await scene.statuses('webhook_secret')).toEqual(['active', 'retiring']);
    expect(await scene.operation(body.operation.id)).toMatchObject({ status: 'succeeded' });
    expect([await scene.answerTo(old), await scene.answerTo(taken)]).toEqual([202, 202]);

    await scene.twice.retireOldVersion({ rotationId, isDead: true });
    expect(await scene.statuses('webhook_secret')).toEqual(['active', 'purged']);
    expect(await scene.answerTo(taken)).toBe(401);
    await scene.expectUsable();
    expect(await scene.once.readRotation({ rotationId })).toMatchObject({ phase: 'rolled_back' });
  });

  test('ends at once with `now`, and with it the one that an earlier rotation left valid', async () => {
    const { once, activities, theirs } = scene;
    const first = theirs.webhookSecret;
    await scene.rotate('webhook_secret');
    const earlier = await scene.rotationOf('webhook_secret');
    await once.proveVersion({ rotationId: earlier });
    await once.cutOver({ rotationId: earlier });
    const second = theirs.webhookSecret;
    const refused = await scene.rotate('webhook_secret');
    const detail = expect.stringMatching(/valid until 20\d\d-.*`now: true`/);
    expect(refused).toMatchObject({ status: 409, body: { code: 'rotation_in_progress', detail } });

    expect((await scene.rotate('webhook_secret', { now: true })).status).toBe(202);
    expect(await scene.statuses('webhook_secret')).toEqual(['purged', 'active', 'pending']);
    expect(await once.readRotation({ rotationId: earlier })).toMatchObject({ step: 'over', phase: 'done' });
    const rotationId = await scene.rotationOf('webhook_secret');
    await once.proveVersion({ rotationId });
    await once.cutOver({ rotationId });
    expect(await once.readRotation({ rotationId })).toMatchObject({ step: 'overlap', immediate: true });
    await activities.retireOldVersion({ rotationId, isDead: true });
    expect(await scene.statuses('webhook_secret')).toEqual(['purged', 'purged', 'active']);
    expect([await scene.answerTo(first), await scene.answerTo(second)]).toEqual([401, 401]);
    await scene.expectUsable();
  });

  test('can be replaced after a rollback, and the one that was rolled back still verifies', async () => {
    await scene.rotate('webhook_secret');
    const rotationId = await scene.rotationOf('webhook_secret');
    await scene.once.proveVersion({ rotationId });
    await scene.once.cutOver({ rotationId });
    const taken = scene.theirs.webhookSecret;
    await scene.rollback('webhook_secret');
    await scene.once.proveOldVersion({ rotationId });
    await scene.once.cutBack({ rotationId });
    expect((await scene.rotate('webhook_secret')).status).toBe(202);
    expect(await scene.once.readRotation({ rotationId })).toMatchObject({ step: 'over', phase: 'rolled_back' });
    expect(await scene.statuses('webhook_secret')).toEqual(['active', 'retiring', 'pending']);
    expect(await scene.answerTo(taken)).toBe(202);
    await scene.expectUsable();
  });

  test('that cannot be rolled back stays, and GitHub gets it again before the old one is destroyed', async () => {
    const old = scene.theirs.webhookSecret;
    await scene.rotate('webhook_secret');
    const rotationId = await scene.rotationOf('webhook_secret');
    await scene.once.proveVersion({ rotationId });
    await scene.once.cutOver({ rotationId });
    const { body } = await scene.rollback('webhook_secret');
    github.faults.add({ method: 'PATCH', path: /hook\/config/, times: 1, kind: 'lost_answer' });
    await expect(scene.once.proveOldVersion({ rotationId })).rejects.toThrow();
    await scene.twice.giveUpRollback({ rotationId, code: 'timeout', detail: 'GitHub did not answer in time' });
    expect(await scene.operation(body.operation.id)).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
    // GitHub did store the old one.
    expect(scene.theirs.webhookSecret).toBe(old);
    expect(await scene.statuses('webhook_secret')).toEqual(['retiring', 'active']);
    await scene.expectUsable();

    await scene.twice.settleVersion({ rotationId });
    expect(scene.theirs.webhookSecret).not.toBe(old);
    await scene.once.retireOldVersion({ rotationId, isDead: true });
    await scene.expectUsable();
  });
});

/** The two kinds that only a person can create and delete at GitHub, with how they do it. */
const assisted = [
  {
    kind: 'private_key' as const,
    make: addKey,
    forget: deleteKey,
    wrong: () => foreign.key,
    nameOf: (key: string) => `key ${fingerprintOf(key)}`,
    old: () => scene.theirs.privateKey,
  },
  {
    kind: 'client_secret' as const,
    make: addClientSecret,
    forget: deleteClientSecret,
    wrong: () => foreign.secret,
    nameOf: (secret: string) => `client_secret ${secret.slice(-8)}`,
    old: () => scene.theirs.clientSecret,
  },
];

describe.each(assisted)('a $kind', ({ kind, make, forget, wrong, nameOf, old: oldOf }) => {
  test('is proven before it is used, and the old one is rejected at the end', async () => {
    const [old, fresh] = [oldOf(), make(scene.theirs)];
    const started = await scene.rotate(kind, { [kind]: fresh });
    expect(started.status).toBe(202);
    expect(started.body).toMatchObject({
      mode: 'assisted',
      settings_url: `${github.url}/apps/${scene.theirs.slug}`,
    });
    const rotationId = await scene.rotationOf(kind);
    expect(await scene.statuses(kind)).toEqual(['active', 'pending']);
    expect(await scene.activeSecret(kind)).toBe(old);
    await scene.expectUsable();

    await scene.twice.proveVersion({ rotationId });
    expect(scene.lastWith(nameOf(fresh))).toBe(kind === 'private_key' ? 200 : 404);
    expect(await scene.activeSecret(kind)).toBe(old);
    await scene.expectUsable();

    await scene.twice.cutOver({ rotationId });
    expect(await scene.activeSecret(kind)).toBe(fresh);
    expect(await scene.statuses(kind)).toEqual(['retiring', 'active']);
    await scene.expectUsable();
    expect(await scene.twice.probeOldVersion({ rotationId })).toBe('alive');

    forget(scene.theirs, old);
    await scene.expectUsable();
    expect(await scene.twice.probeOldVersion({ rotationId })).toBe('dead');
    expect(scene.lastWith(nameOf(old))).toBe(401);
    await scene.twice.retireOldVersion({ rotationId, isDead: true });
    expect(await scene.statuses(kind)).toEqual(['purged', 'active']);
    await scene.expectUsable();
    expect(github.violations).toEqual([]);
  });

  test('of another App is rejected and deleted, and the old one stays in use', async () => {
    const [old, foreign] = [oldOf(), wrong()];
    const { body } = await scene.rotate(kind, { [kind]: foreign });
    const rotationId = await scene.rotationOf(kind);
    await expect(scene.once.proveVersion({ rotationId })).rejects.toMatchObject({
      type: 'credential_refused',
      nonRetryable: true,
    });
    await scene.twice.giveUpProof({ rotationId, code: 'credential_refused', detail: 'It is another App’s' });
    expect(await scene.statuses(kind)).toEqual(['active', 'rejected']);
    expect((await scene.credential(kind)).versions[0]?.fingerprint).toBeNull();
    expect(await scene.activeSecret(kind)).toBe(old);
    expect(await scene.operation(body.operation.id)).toMatchObject({
      status: 'failed',
      error: { code: 'credential_refused' },
    });
    await scene.expectUsable();
  });

  test('is neither rejected nor considered dead while GitHub fails', async () => {
    await scene.rotate(kind, { [kind]: make(scene.theirs) });
    const rotationId = await scene.rotationOf(kind);
    github.faults.add({ path: /^\/app/, times: 1, kind: 'status', status: 503 });
    await expect(scene.once.proveVersion({ rotationId })).rejects.toMatchObject({ nonRetryable: false });
    await scene.once.proveVersion({ rotationId });
    await scene.once.cutOver({ rotationId });
    // GitHub rejects every key, which proves nothing.
    github.faults.add({ path: /^\/app/, times: 2, kind: 'status', status: 401 });
    expect(await scene.once.probeOldVersion({ rotationId })).toBe('unknown');
    expect(await scene.once.probeOldVersion({ rotationId })).toBe('alive');
  });

  test('is rolled back while GitHub still accepts the old one, and not afterwards', async () => {
    const [old, fresh] = [oldOf(), make(scene.theirs)];
    await scene.rotate(kind, { [kind]: fresh });
    const rotationId = await scene.rotationOf(kind);
    await scene.once.proveVersion({ rotationId });
    await scene.once.cutOver({ rotationId });
    await scene.rollback(kind);
    await scene.expectUsable();
    await scene.twice.proveOldVersion({ rotationId });
    await scene.expectUsable();
    await scene.twice.cutBack({ rotationId });
    expect(await scene.activeSecret(kind)).toBe(old);
    await scene.expectUsable();
    // Now the person must delete the new one.
    expect(await scene.once.probeOldVersion({ rotationId })).toBe('alive');
    forget(scene.theirs, fresh);
    expect(await scene.once.probeOldVersion({ rotationId })).toBe('dead');
    await scene.once.retireOldVersion({ rotationId, isDead: true });
    expect(await scene.statuses(kind)).toEqual(['active', 'purged']);

    const another = make(scene.theirs);
    await scene.rotate(kind, { [kind]: another });
    const next = await scene.rotationOf(kind);
    await scene.once.proveVersion({ rotationId: next });
    await scene.once.cutOver({ rotationId: next });
    forget(scene.theirs, old);
    const { body } = await scene.rollback(kind);
    await expect(scene.once.proveOldVersion({ rotationId: next })).rejects.toMatchObject({
      type: 'credential_refused',
    });
    await scene.twice.giveUpRollback({ rotationId: next, code: 'credential_refused', detail: 'It is dead' });
    expect(await scene.operation(body.operation.id)).toMatchObject({ status: 'failed' });
    expect(await scene.activeSecret(kind)).toBe(another);
    await scene.expectUsable();
  });

  test('that stays at GitHub becomes an incident, which is resolved when the old one is dead', async () => {
    const old = oldOf();
    await scene.rotate(kind, { [kind]: make(scene.theirs) });
    const rotationId = await scene.rotationOf(kind);
    await scene.once.proveVersion({ rotationId });
    await scene.once.cutOver({ rotationId });
    await scene.once.reportOldAlive({ rotationId });
    const { id: subject_id } = await scene.credential(kind);
    const incident = () => api.database.reader('incidents').where({ subject_id }).first();
    expect(await incident()).toMatchObject({ code: 'old_key_still_alive', status: 'open', org_id: scene.orgId });
    if (kind === 'private_key') expect((await incident())?.action).toContain(fingerprintOf(old));
    forget(scene.theirs, old);
    await scene.once.retireOldVersion({ rotationId, isDead: true });
    expect(await incident()).toMatchObject({ status: 'resolved' });
  });

  test('that is deleted with its integration during the overlap ends the rotation and the incident', async () => {
    const { body } = await scene.rotate(kind, { [kind]: make(scene.theirs) });
    const rotationId = await scene.rotationOf(kind);
    await scene.once.proveVersion({ rotationId });
    await scene.once.cutOver({ rotationId });
    await scene.once.reportOldAlive({ rotationId });
    expect(await scene.once.readRotation({ rotationId })).toMatchObject({ step: 'probe', phase: 'overlapping' });
    await api.database.write((trx) => purgeCredentials(trx, { github_app_id: scene.githubAppId }));
    const incidents = () => api.database.reader('incidents').where({ subject_id: body.credential_id });
    // A late report changes nothing.
    await scene.once.reportOldAlive({ rotationId });
    expect(await incidents()).toMatchObject([{ status: 'open', count: 1 }]);
    expect(await scene.twice.readRotation({ rotationId })).toMatchObject({ step: 'over', phase: 'abandoned' });
    expect(await incidents()).toMatchObject([{ code: 'old_key_still_alive', status: 'resolved' }]);
    expect(await scene.operation(body.operation.id)).toMatchObject({ status: 'succeeded' });
  });

  test('that is deleted with its integration during the proof ends the rotation', async () => {
    const { body } = await scene.rotate(kind, { [kind]: make(scene.theirs) });
    const rotationId = await scene.rotationOf(kind);
    await api.database.write((trx) =>
      trx('credential_versions')
        .where({ credential_id: body.credential_id })
        .update({ status: 'purged', sealed: null, key_id: null }),
    );
    await expect(scene.once.proveVersion({ rotationId })).rejects.toMatchObject({
      type: 'gone',
      nonRetryable: true,
    });
    await scene.once.giveUpProof({ rotationId, code: 'gone', detail: 'There is no such credential any more' });
    expect(await scene.once.readRotation({ rotationId })).toMatchObject({ step: 'over', phase: 'abandoned' });
    expect(await scene.operation(body.operation.id)).toMatchObject({ error: { code: 'credential_gone' } });
  });
});
