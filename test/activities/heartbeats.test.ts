import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withHeartbeats } from '../../activities/heartbeats.ts';
import { createActivities } from '../../activities/index.ts';
import { createGitHubConnector } from '../../broker/connect/github-connect.ts';
import { createGitHubBroker } from '../../broker/github/github.ts';
import { parseAllowedHosts } from '../../domain/connect/allowed-hosts.ts';
import { createGuardedFetch } from '../../providers/egress/guarded-fetch.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { openOutside } from '../support/fakes/registries.ts';
import { keyring } from '../support/hooks.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(() => database?.drop());

function environmentWith(heartbeatTimeoutMs?: number) {
  const environment = new MockActivityEnvironment(heartbeatTimeoutMs === undefined ? {} : { heartbeatTimeoutMs });
  const heartbeats: unknown[] = [];
  environment.on('heartbeat', (details: unknown) => heartbeats.push(details));
  return { environment, heartbeats };
}

describe('the heartbeats of an activity', () => {
  test('show its input while it runs, and stop when it ends', async () => {
    const { environment, heartbeats } = environmentWith(15_000);
    const { wait } = withHeartbeats({
      wait: async ({ ms }: { ms: number }) => {
        await sleep(ms);
        return 'waited';
      },
    });
    await expect(environment.run(wait, { ms: 3_300 })).resolves.toBe('waited');
    expect(heartbeats).toEqual([{ ms: 3_300 }, { ms: 3_300 }]);
    await sleep(3_300);
    expect(heartbeats).toHaveLength(2);
  }, 10_000);

  test('are not sent if the workflow sets no heartbeat timeout', async () => {
    const { environment, heartbeats } = environmentWith();
    const { give } = withHeartbeats({ give: async (value: number) => value });
    await expect(environment.run(give, 7)).resolves.toBe(7);
    expect(heartbeats).toEqual([]);
  });

  test('are sent by every activity of the worker', async () => {
    const fetch = createGuardedFetch({ allowedHosts: parseAllowedHosts(''), timeoutMs: 1_000, maxBytes: 1_000 });
    const deps = { database, keyring, fetch };
    const activities = createActivities({
      database,
      keyring,
      broker: createGitHubBroker(deps),
      connector: createGitHubConnector(deps),
      ...openOutside(database),
      reachable: true,
      webhookUrlFor: (id) => `https://fairlead.example/v1/webhooks/github/${id}`,
    });
    const { environment, heartbeats } = environmentWith(15_000);
    await environment.run(activities.checkApp, { githubAppId: 'gha_0' });
    expect(heartbeats).toEqual([{ githubAppId: 'gha_0' }]);
  });
});
