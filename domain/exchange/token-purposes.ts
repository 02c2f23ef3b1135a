import type { BuildStatus } from '../builds/build-status.ts';
import { missingPermissions } from '../github/github-permissions.ts';

/** The purpose of a token. */
export const purposes = ['clone', 'status'] as const;
export type Purpose = (typeof purposes)[number];

export type Narrowing = 'fork_build' | 'blocked_build' | 'permission_missing';

/** The minimum permissions for the purpose. */
const permissions: Record<Purpose, Record<string, string>> = {
  clone: { contents: 'read', metadata: 'read' },
  status: { checks: 'write', metadata: 'read', statuses: 'write' },
};

/** Permissions that improve the purpose but are not required. */
const optional: Record<Purpose, string[]> = { clone: [], status: ['checks'] };

/**
 * Returns the permissions of a token for this purpose. A build of unapproved code, because it is blocked or from a
 * fork, gets read access to its base repository only. `granted` is what the account allows the App.
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

/** Why the code of a build is unapproved. Undefined if it is approved. */
export function unvouchedFor(build?: { status: BuildStatus; fork: boolean }): Narrowing | undefined {
  if (build?.fork) return 'fork_build';
  return build?.status === 'blocked' ? 'blocked_build' : undefined;
}
