import { describe, expect, test } from 'vitest';
import { githubFeatures, lostFeatures, missingEssentials } from '../../../domain/github/github-features.ts';
import { githubAppEvents, githubAppPermissions } from '../../../domain/github/github-permissions.ts';

describe('features', () => {
  test('need every required permission and event, and no other', () => {
    const permissions = githubFeatures.flatMap((one) => one.permissions).sort();
    expect(permissions).toEqual(Object.keys(githubAppPermissions).sort());
    expect(githubFeatures.flatMap((one) => one.events).sort()).toEqual([...githubAppEvents].sort());
  });

  test('are lost one at a time', () => {
    expect(lostFeatures(githubAppPermissions)).toEqual([]);
    const lost = (permission: keyof typeof githubAppPermissions, level?: string) => {
      const { [permission]: _, ...granted } = githubAppPermissions as Record<string, string>;
      const all = level === undefined ? granted : { ...granted, [permission]: level };
      return [lostFeatures(all).map(({ name }) => name), missingEssentials(all)];
    };
    expect(lost('actions')).toEqual([['builds'], { actions: 'write' }]);
    expect(lost('actions', 'read')).toEqual([['builds'], { actions: 'write' }]);
    expect(lost('pull_requests')).toEqual([['pull requests'], { pull_requests: 'read' }]);
    expect(lost('pull_requests', 'write')).toEqual([[], {}]);
    expect(lost('deployments')).toEqual([['deployments'], { deployments: 'write' }]);
    // The commit's status says the same, and the webhook of the installation proves the same.
    expect(lost('checks')).toEqual([['check runs'], {}]);
    expect(lost('members')).toEqual([['members'], {}]);
  });
});
