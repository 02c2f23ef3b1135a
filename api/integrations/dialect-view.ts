import { z } from 'zod';
import { installationsFor } from '../../db/github/installations.ts';
import type { Db } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { type IntegrationView, kinds } from './integration-view.ts';

/** Groups the dialect's operations in the API's documentation. */
export const dialectTag = 'dialect of /api/integrations';

/** An integration as the dialect of `/api/integrations` prints it. */
export const DialectIntegration = z
  .object({
    id: z.string(),
    kind: z.enum(kinds),
    name: z.string(),
    metadata: z
      .record(z.string(), z.unknown())
      .describe(
        'For `github`: `installationID` and the account `githubOrg`. For a registry: the host `registry`, and `cloudAccountID`. Then your own metadata',
      ),
    createdAt: z.iso.datetime().describe('RFC 3339, in UTC'),
  })
  .meta({ id: 'DialectIntegration' });

type V1 = z.input<typeof IntegrationView>;

/** Fairlead's own metadata keys. A caller's own metadata must use other keys. */
const ours = ['installation_id', 'installationID', 'githubOrg', 'registry', 'cloudAccountID'];

/** Converts the integrations to the dialect. An App with several accounts shows the one that was connected first. */
export async function inDialect(
  db: Db,
  tenant: TenantScope,
  views: V1[],
): Promise<z.input<typeof DialectIntegration>[]> {
  const accounts = await installationsFor(db, tenant).firstOf(views.map(({ id }) => id));
  return views.map((view) => {
    const account = accounts.get(view.id);
    return {
      id: view.id,
      kind: view.provider,
      name: view.display_name,
      metadata: {
        ...(account && { installationID: account.externalId, githubOrg: account.accountLogin }),
        ...(view.registry && { registry: view.registry.host }),
        ...(view.registry?.cloud_account_id && { cloudAccountID: view.registry.cloud_account_id }),
        ...withoutOurs(view.metadata),
      },
      createdAt: new Date(view.created_at * 1000).toISOString().replace('.000Z', 'Z'),
    };
  });
}

export function withoutOurs(metadata: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => !ours.includes(name)));
}
