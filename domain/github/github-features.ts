import { type githubAppEvents, type githubAppPermissions, missingPermissions } from './github-permissions.ts';

type Permission = keyof typeof githubAppPermissions;
type Event = (typeof githubAppEvents)[number];

export type GithubFeature = {
  /** What it is for a reader. */
  name: string;
  permissions: readonly Permission[];
  events: readonly Event[];
  /** What is true of Fairlead without it. */
  without: string;
  /** Something else says or proves the same, so an integration without it is in order. */
  optional?: true;
};

/** Which part of Fairlead needs which permission: one that was not granted takes away its own part, and no other. */
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

/** Features that are lost with these permissions; none where nothing is missing. */
export function lostFeatures(granted: Record<string, string>): GithubFeature[] {
  const missing = missingPermissions(granted);
  return githubFeatures.filter(({ permissions }) => permissions.some((name) => name in missing));
}

/** The permissions without which something is lost for which there is no substitute. */
export function missingEssentials(granted: Record<string, string>): Record<string, string> {
  const essential = lostFeatures(granted).filter(({ optional }) => !optional);
  const names = new Set<string>(essential.flatMap(({ permissions }) => permissions));
  return Object.fromEntries(Object.entries(missingPermissions(granted)).filter(([name]) => names.has(name)));
}

/** Failures that say something about the App itself, or about the way to its host; all others concern one installation. */
const ofTheApp: ReadonlySet<string> = new Set(['app_credentials_rejected', 'clock_skew', 'address_refused']);

/** Whether no other installation of the App could be read either. */
export function concernsTheApp(code: string): boolean {
  return ofTheApp.has(code);
}
