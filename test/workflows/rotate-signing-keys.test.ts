import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { signingKeyActivities } from '../../activities/clouds/cloud-accounts.ts';
import { createOidcIssuer } from '../../broker/clouds/oidc-issuer.ts';
import { rotateSigningKeys } from '../../workflows/rotate-signing-keys.ts';
import { historyText } from '../support/canaries/history-text.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { keyring } from '../support/hooks.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

const month = 30 * 24 * 3_600_000;

let env: TimeSkipping;
let database: TestDatabase;
beforeEach(async () => {
  [env, database] = await Promise.all([startTimeSkipping(), openTestDatabase()]);
}, 60_000);
afterEach(async () => {
  await env?.teardown();
  await database?.drop();
});

test('replaces a month-old key, even after a database outage, and keeps keys out of the history', async () => {
  const issuer = createOidcIssuer({ database, keyring, publicUrl: 'https://fairlead.example.com' });
  const [first] = await issuer.keys();
  await database.write((trx) => trx('signing_keys').update({ signs_from: Date.now() - month }));

  let failures = 2;
  const real = signingKeyActivities({ database, keyring });
  const activities = {
    async rotateSigningKeys() {
      failures -= 1;
      if (failures >= 0) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
      await real.rotateSigningKeys();
    },
  };
  await withWorker(env, temporal().codePath, activities, async ({ client, taskQueue, steps }) => {
    const run = { taskQueue, workflowId: `rotate-signing-keys/${randomUUID()}` };
    const handle = await client.workflow.start(rotateSigningKeys, run);
    await handle.result();
    expect(steps).toHaveLength(3);
    const [, second, ...more] = await issuer.keys();
    expect(more).toEqual([]);
    expect(second?.kid).not.toBe(first?.kid);
    expect(await historyText(handle)).not.toContain(second?.n);

    // A second run changes nothing.
    await client.workflow.execute(rotateSigningKeys, { ...run, workflowId: `rotate-signing-keys/${randomUUID()}` });
    expect(await issuer.keys()).toHaveLength(2);
  });
});
