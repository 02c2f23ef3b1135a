import { type githubAppEvents, type githubAppPermissions, missingPermissions } from './github-permissions.ts';

type Permission = keyof typeof githubAppPermissions;
type Event = (typeof githubAppEvents)[number];

export type GithubFeature = {
  /** The feature's name for people. */
  name: string;
  permissions: readonly Permission[];
  events: readonly Event[];
  /** What Fairlead cannot do without it. */
  without: string;
  /** Another source provides the same, so an integration without the permission is healthy. */
  optional?: true;
};

/** The permissions that each part of Fairlead needs. A missing permission disables its own part only. */
export const githubFeatures: readonly GithubFeature[] = [
  {
    name: 'builds',
    permissions: ['actions', 'metadata'],
    events: ['push', 'create', 'delete', 'workflow_run', 'repository'],
    without: 'builds fail with `permission_missing`',
  },
  {
    name: 'commits',
    permissions: ['contents'],
    events: [],
    without: 'branches, workflow files and skip markers are not read',
  },
  {
    name: 'pull requests',
    permissions: ['pull_requests'],
    events: ['pull_request'],
    without: 'pull requests are not built',
  },
  { name: 'statuses', permissions: ['statuses'], events: [], without: 'commits get no status' },
  {
    name: 'check runs',
    permissions: ['checks'],
    events: ['check_run', 'check_suite'],
    without: 'commits get a status only, and cannot be built again from GitHub',
    optional: true,
  },
  { name: 'deployments', permissions: ['deployments'], events: [], without: 'environments show no deployment' },
  {
    name: 'members',
    permissions: ['members'],
    events: [],
    without: 'who administers an organization is proven by the webhook of the installation only',
    optional: true,
  },
];

/** Returns the features that these missing permissions disable. */
export function lostFeatures(granted: Record<string, string>): GithubFeature[] {
  const missing = missingPermissions(granted);
  return githubFeatures.filter(({ permissions }) => permissions.some((name) => name in missing));
}

/** Returns the missing permissions that have no substitute. */
export function missingEssentials(granted: Record<string, string>): Record<string, string> {
  const essential = lostFeatures(granted).filter(({ optional }) => !optional);
  const names = new Set<string>(essential.flatMap(({ permissions }) => permissions));
  return Object.fromEntries(Object.entries(missingPermissions(granted)).filter(([name]) => names.has(name)));
}

/** Failures of the App itself, or of the connection to its host. All other failures concern one installation. */
const ofTheApp: ReadonlySet<string> = new Set(['app_credentials_rejected', 'clock_skew', 'address_refused']);

/** Whether no other installation of the App could be read either. */
export function concernsTheApp(code: string): boolean {
  return ofTheApp.has(code);
}
