/** The permissions that Fairlead requests for a new App. An installation needs all of them for every feature. */
export const githubAppPermissions = {
  actions: 'write',
  checks: 'write',
  contents: 'read',
  deployments: 'write',
  members: 'read',
  metadata: 'read',
  pull_requests: 'read',
  statuses: 'write',
} as const;

/**
 * The events that Fairlead handles and an App subscribes to. Every App receives the events about itself and its
 * installations without a subscription.
 */
export const githubAppEvents = [
  'check_run',
  'check_suite',
  'create',
  'delete',
  'pull_request',
  'push',
  'repository',
  'workflow_run',
] as const;

const levels = ['read', 'write', 'admin'];

/** Returns the missing permissions. Write includes read. */
export function missingPermissions(granted: Record<string, string>): Record<string, string> {
  const level = (name: string) => levels.indexOf(granted[name] ?? '');
  return Object.fromEntries(
    Object.entries(githubAppPermissions).filter(([name, needed]) => level(name) < levels.indexOf(needed)),
  );
}

export function missingEvents(granted: readonly string[]): string[] {
  return githubAppEvents.filter((event) => !granted.includes(event));
}
