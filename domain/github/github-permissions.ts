/** What Fairlead asks for where it makes an App, and what an installation must have granted for all of it to work. */
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
 * The events that Fairlead acts upon and that an App subscribes to. Those about the App and its installations come
 * to every App and cannot be subscribed to.
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

/** What is needed and was not granted; who may write may read. */
export function missingPermissions(granted: Record<string, string>): Record<string, string> {
  const level = (name: string) => levels.indexOf(granted[name] ?? '');
  return Object.fromEntries(
    Object.entries(githubAppPermissions).filter(([name, needed]) => level(name) < levels.indexOf(needed)),
  );
}

export function missingEvents(granted: readonly string[]): string[] {
  return githubAppEvents.filter((event) => !granted.includes(event));
}
