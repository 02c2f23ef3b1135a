import { expect, test } from 'vitest';
import {
  githubAppEvents,
  githubAppPermissions,
  missingEvents,
  missingPermissions,
} from '../../../domain/github/github-permissions.ts';

test('nothing is missing if the App has the required permissions or more', () => {
  expect(missingPermissions(githubAppPermissions)).toEqual({});
  expect(missingPermissions({ ...githubAppPermissions, contents: 'write', issues: 'write' })).toEqual({});
  expect(missingPermissions({ ...githubAppPermissions, members: 'admin' })).toEqual({});
  expect(missingEvents([...githubAppEvents, 'star'])).toEqual([]);
});

test('a permission is missing if it is absent, lower or unknown', () => {
  const { deployments: _, ...rest } = githubAppPermissions;
  expect(missingPermissions({ ...rest, statuses: 'read' })).toEqual({ deployments: 'write', statuses: 'write' });
  expect(missingPermissions({ ...githubAppPermissions, contents: 'none' })).toEqual({ contents: 'read' });
  expect(missingPermissions({})).toEqual(githubAppPermissions);
});

test('an event without a subscription is missing', () => {
  expect(missingEvents(githubAppEvents.filter((event) => event !== 'push'))).toEqual(['push']);
});

test.each(['installation', 'installation_repositories', 'installation_target', 'github_app_authorization', 'ping'])(
  '%s is sent to every App and needs no subscription',
  (event) => {
    expect(githubAppEvents).not.toContain(event);
  },
);
