import type { BuildStatus } from './build-status.ts';

/** What a token is wanted for. */
export const purposes = ['clone', 'status'] as const;
export type Purpose = (typeof purposes)[number];

/** The least that serves the purpose. */
const permissions: Record<Purpose, Record<string, string>> = {
  clone: { contents: 'read', metadata: 'read' },
  status: { checks: 'write', metadata: 'read', statuses: 'write' },
};

/**
 * What a token for this purpose may do. A build that nobody has vouched for, because it is blocked or a fork's, may
 * read its base repository and nothing else, whatever it asks for.
 */
export function permissionsFor(
  purpose: Purpose,
  build?: { status: BuildStatus; fork: boolean },
): { permissions: Record<string, string>; narrowed: string | undefined } {
  const narrowed = build?.fork ? 'fork_build' : build?.status === 'blocked' ? 'blocked_build' : undefined;
  return {
    permissions: permissions[narrowed ? 'clone' : purpose],
    narrowed: purpose === 'clone' ? undefined : narrowed,
  };
}
