/** The tags of the OpenAPI document: one for each subject, in the order of the page. */
export const tags = {
  integrations:
    'Connections of your organizations and projects to Git hosts and container registries: their accounts, repositories, grants and health.',
  credentials:
    'Short-lived credentials for Git hosts and registries, their leases, and the replacement of the secrets of a GitHub App.',
  deliveries: 'Webhooks that Fairlead has received, and what each one meant to each pipeline.',
  webhooks: 'Addresses to which Git hosts send their webhooks.',
  projects: 'Projects of an organization. A project holds apps and integrations.',
  apps: 'Apps of your platform. An app has a source repository and can have an image repository.',
  pipelines: 'Rules for the events of an app: which of them start which workflow.',
  builds: 'Builds that events or people start, and tokens for a single build.',
  clouds: 'Cloud accounts at AWS, Google Cloud and Azure that registries inherit their access from.',
  organizations: 'Organizations: the tenants of this instance.',
  people: 'Sign-in, sessions, and what the caller may do.',
  tokens: 'API tokens for programs.',
  audit: 'The audit log, and a check that it was not changed.',
  incidents: 'Problems that a person must fix.',
  operations: 'Progress of long-running work.',
  service: 'Health checks, metrics, the OIDC issuer and this document.',
  'dialect of /api/integrations':
    'The routes of `/v1` with other names, for platforms that already use `/api/integrations`. See docs/dialect.md.',
} as const;

export type Tag = keyof typeof tags;
