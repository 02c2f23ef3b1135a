import { expect, test } from 'vitest';
import {
  githubAppEvents,
  githubAppPermissions,
  missingEvents,
  missingPermissions,
} from '../../../domain/github/github-permissions.ts';

test('nothing is missing from what Fairlead asks for, or from more than that', () => {
  expect(missingPermissions(githubAppPermissions)).toEqual({});
  expect(missingPermissions({ ...githubAppPermissions, contents: 'write', issues: 'write' })).toEqual({});
  expect(missingPermissions({ ...githubAppPermissions, members: 'admin' })).toEqual({});
  expect(missingEvents([...githubAppEvents, 'star'])).toEqual([]);
});

test('what was granted at a lower level, not at all, or in words unknown is missing', () => {
  const { deployments: _, ...rest } = githubAppPermissions;
  expect(missingPermissions({ ...rest, statuses: 'read' })).toEqual({ deployments: 'write', statuses: 'write' });
  expect(missingPermissions({ ...githubAppPermissions, contents: 'none' })).toEqual({ contents: 'read' });
  expect(missingPermissions({})).toEqual(githubAppPermissions);
});

test('an event that is not subscribed to is missing', () => {
  expect(missingEvents(githubAppEvents.filter((event) => event !== 'push'))).toEqual(['push']);
});

test.each(['installation', 'installation_repositories', 'installation_target', 'github_app_authorization', 'ping'])(
  '%s comes to every App and is not asked for',
  (event) => {
    expect(githubAppEvents).not.toContain(event);
  },
);
