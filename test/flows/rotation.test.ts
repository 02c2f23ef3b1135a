import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  addClientSecret,
  addKey,
  deleteClientSecret,
  deleteKey,
  fingerprintOf,
} from '../../stand-ins/github/credentials.ts';
import type { GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import { rotateCredential } from '../../workflows/rotate-credential.ts';
import { startApi, type TestApi } from '../support/api.ts';
import { startGitHub } from '../support/github.ts';
import { addOwnApp, type Rotated, type RotationScene, rotationScene } from '../support/scenes/rotation-scene.ts';
import { addToken } from '../support/scenes/tenants.ts';
import { startWhole, type Whole } from '../support/scenes/whole.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let github: GitHubStandIn;

beforeAll(async () => {
  github = await startGitHub();
});

afterAll(() => github?.close());

describe('with a skipping clock', () => {
  let api: TestApi;
  let env: TimeSkipping;
  let scene: RotationScene;

  beforeAll(async () => {
    api = await startApi();
  });
  beforeEach(async () => {
    [env, scene] = await Promise.all([startTimeSkipping(), rotationScene(api, github)]);
  }, 60_000);
  afterEach(() => env?.teardown());
  afterAll(() => api?.stop());

  /**
   * The whole rotation. Before and after every step each caller succeeds with what is published. Each step runs twice.
   */
  async function run(rotationId: string, during: (step: string) => unknown = () => {}): Promise<string[]> {
    const watched = Object.entries(scene.activities).map(([name, activity]) => [
      name,
      async (input: never) => {
        const step = activity as (input: never) => Promise<unknown>;
        // Only Temporal's clock skips time, so the test makes the row older.
        if (name === 'retireOldVersion') {
          await api.database.write((trx) => trx('rotations').where({ id: rotationId }).update({ updated_at: 0 }));
        }
        const looks = name === 'readRotation' || name === 'probeOldVersion';
        if (looks) {
          await during(name);
          return step(input);
        }
        await scene.expectUsable();
        await step(input);
        await scene.expectUsable();
        const result = await step(input);
        await scene.expectUsable();
        return result;
      },
    ]);
    return withWorker(env, temporal().codePath, Object.fromEntries(watched), async ({ client, taskQueue, steps }) => {
      const handle = await client.workflow.start(rotateCredential, {
        taskQueue,
        workflowId: `rotate/${randomUUID()}`,
        args: [{ rotationId }],
      });
      await handle.result();
      return steps.filter((name) => name !== 'readRotation');
    });
  }

  test('a webhook secret', { timeout: 60_000 }, async () => {
    const old = scene.theirs.webhookSecret;
    await scene.rotate('webhook_secret');
    const steps = await run(await scene.rotationOf('webhook_secret'));
    expect(steps).toEqual(['proveVersion', 'cutOver', 'settleVersion', 'retireOldVersion']);
    expect(await scene.statuses('webhook_secret')).toEqual(['purged', 'active']);
    expect(await scene.answerTo(old)).toBe(401);
    await scene.expectUsable();
  });

  test.each([
    { kind: 'private_key' as const, make: addKey, forget: deleteKey, old: () => scene.theirs.privateKey },
    {
      kind: 'client_secret' as const,
      make: addClientSecret,
      forget: deleteClientSecret,
      old: () => scene.theirs.clientSecret,
    },
  ])('a $kind whose old version a person deletes', { timeout: 60_000 }, async ({ kind, make, forget, old: oldOf }) => {
    const [old, fresh] = [oldOf(), make(scene.theirs)];
    await scene.rotate(kind, { [kind]: fresh });
    let looks = 0;
    const steps = await run(await scene.rotationOf(kind), (step) => {
      if (step === 'probeOldVersion' && ++looks === 3) forget(scene.theirs, old);
    });
    expect(steps).toEqual(['proveVersion', 'cutOver', ...Array(3).fill('probeOldVersion'), 'retireOldVersion']);
    expect(await scene.statuses(kind)).toEqual(['purged', 'active']);
    const nameOf = (secret: string) =>
      kind === 'private_key' ? `key ${fingerprintOf(secret)}` : `client_secret ${secret.slice(-8)}`;
    const answers = github.ledger.filter(({ credential }) => credential === nameOf(old)).map(({ status }) => status);
    // It worked until it was deleted. One more request proves that it no longer works.
    expect(answers.at(-1)).toBe(401);
    expect(answers.filter((status) => status === 401)).toHaveLength(1);
    await scene.expectUsable();
    expect(scene.lastWith(nameOf(fresh))).toBeLessThan(405);
    expect(scene.lastWith(nameOf(fresh))).not.toBe(401);
  });
});

describe('with a steady flow of webhooks', () => {
  let whole: Whole;

  beforeAll(async () => {
    whole = await startWhole(github);
  }, 60_000);
  afterAll(() => whole?.stop());

  test('rejects none while the secret is replaced and rolled back and an answer is lost', {
    timeout: 90_000,
  }, async () => {
    const app = await addOwnApp(whole.database, github);
    app.theirs.hookUrl = `${whole.url}/v1/webhooks/github/${app.githubAppId}`;
    const caller = whole.as((await addToken(whole.database, app)).secret);
    const at = `/v1/integrations/${app.integrationId}/credentials`;
    const old = app.theirs.webhookSecret;

    const statuses: number[] = [];
    let goesOn = true;
    const sending = (async () => {
      while (goesOn) {
        const sent = github.sendWebhook({ app: app.theirs, event: 'ping', payload: { zen: randomUUID() } });
        statuses.push((await sent).status);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    })();
    try {
      github.faults.add({ method: 'PATCH', path: /hook\/config/, times: 1, kind: 'lost_answer' });
      const rotated = await caller.ask<Rotated>('POST', `${at}/rotate?wait=30`, { kind: 'webhook_secret' });
      expect(rotated.operation).toMatchObject({ status: 'succeeded', error: null });
      expect(app.theirs.webhookSecret).not.toBe(old);
      const back = await caller.ask<Rotated>('POST', `${at}/rollback?wait=30`, { kind: 'webhook_secret' });
      expect(back.operation).toMatchObject({ status: 'succeeded', error: null });
      expect(app.theirs.webhookSecret).toBe(old);
    } finally {
      goesOn = false;
      await sending;
      github.faults.clear();
    }
    expect(statuses.length).toBeGreaterThan(20);
    expect(statuses.filter((status) => status !== 202)).toEqual([]);
  });

  test('rejects a key of another App with a code, and mints with the old key', { timeout: 60_000 }, async () => {
    const app = await addOwnApp(whole.database, github);
    const caller = whole.as((await addToken(whole.database, app)).secret);
    const at = `/v1/integrations/${app.integrationId}/credentials`;
    const body = { kind: 'private_key', private_key: addKey(github.addApp()) };
    const { operation } = await caller.ask<Rotated>('POST', `${at}/rotate?wait=30`, body);
    expect(operation).toMatchObject({ status: 'failed', error: { code: 'credential_refused' } });
    const again = { kind: 'private_key', private_key: addKey(app.theirs) };
    const second = await caller.ask<Rotated>('POST', `${at}/rotate?wait=30`, again);
    expect(second.operation).toMatchObject({ status: 'succeeded' });
  });
});
