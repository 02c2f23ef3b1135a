import { MockActivityEnvironment } from '@temporalio/testing';
import { connectActivities } from '../../../activities/connect/connect.ts';
import { withFailures } from '../../../activities/failures.ts';
import type { GitHubConnector } from '../../../broker/connect/github-connect.ts';
import type { Database } from '../../../db/store/connection.ts';
import { keyring } from '../hooks.ts';

/** Returns the activities of a flow as functions that run them as a worker does. */
export function connectSteps(database: Database, connector: GitHubConnector) {
  const activities = withFailures(connectActivities({ database, keyring, connector }));
  const bound = Object.entries(activities).map(([name, activity]) => [
    name,
    (input: never) => new MockActivityEnvironment().run(activity as (input: never) => Promise<unknown>, input),
  ]);
  return Object.fromEntries(bound) as typeof activities;
}
