import type { SeenInstallation } from '../../db/github/installations.ts';
import type { Installation } from '../../providers/github/app/as-app.ts';

/** What GitHub says of an installation, as we remember it. */
export function seenInstallation({
  id,
  account,
  repositorySelection,
  permissions,
  events,
  suspendedAt,
}: Installation): SeenInstallation {
  return {
    externalId: id,
    accountLogin: account.login,
    accountId: account.id,
    targetType: account.type,
    repositorySelection,
    permissions,
    events,
    suspendedAt: suspendedAt ?? null,
  };
}
