import type { BuildStatus } from '../builds/build-status.ts';
import { missingPermissions } from '../github/github-permissions.ts';

/** What a token is wanted for. */
export const purposes = ['clone', 'status'] as const;
export type Purpose = (typeof purposes)[number];

export type Narrowing = 'fork_build' | 'blocked_build' | 'permission_missing';

/** The least that serves the purpose. */
const permissions: Record<Purpose, Record<string, string>> = {
  clone: { contents: 'read', metadata: 'read' },
  status: { checks: 'write', metadata: 'read', statuses: 'write' },
};

/** What a purpose is served without, though less well. */
const optional: Record<Purpose, string[]> = { clone: [], status: ['checks'] };

/**
 * What a token for this purpose may do. A build that nobody has vouched for, because it is blocked or a fork's, may
 * read its base repository and nothing else, whatever it asks for. `granted` is what the account allows the App.
 */
export function permissionsFor(
  purpose: Purpose,
  granted: Record<string, string>,
  build?: { status: BuildStatus; fork: boolean },
): { permissions: Record<string, string>; narrowed: Narrowing | undefined } {
  const unvouched = unvouchedFor(build);
  if (unvouched) return { permissions: permissions.clone, narrowed: purpose === 'clone' ? undefined : unvouched };
  const missing = missingPermissions(granted);
  const lacking = optional[purpose].filter((name) => name in missing);
  return {
    permissions: Object.fromEntries(Object.entries(permissions[purpose]).filter(([name]) => !lacking.includes(name))),
    narrowed: lacking.length > 0 ? 'permission_missing' : undefined,
  };
}

/** Why the code of a build is nobody's responsibility yet; undefined where somebody's it is. */
export function unvouchedFor(build?: { status: BuildStatus; fork: boolean }): Narrowing | undefined {
  if (build?.fork) return 'fork_build';
  return build?.status === 'blocked' ? 'blocked_build' : undefined;
}
