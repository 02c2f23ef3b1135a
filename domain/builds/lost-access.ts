import type { BuildReason } from './build-reasons.ts';

/** Maps each failure that ends access to a run to the reason of its build. */
export const lostAccess: Record<string, BuildReason | undefined> = {
  app_credentials_rejected: 'app_credentials_rejected',
  installation_suspended: 'installation_suspended',
  installation_gone: 'installation_gone',
  permission_missing: 'permission_missing',
  policy: 'policy',
  repository_gone: 'repository_gone',
  not_found: 'repository_gone',
  gone: 'repository_gone',
};
