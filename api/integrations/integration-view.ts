import { z } from 'zod';
import { allIntegrations, type Integration } from '../../db/integrations/integrations.ts';
import { registryChecksIn } from '../../db/registries/registry-checks.ts';
import { describeInactiveLogin } from '../../db/registries/registry-logins.ts';
import type { Db } from '../../db/store/connection.ts';
import { integrationStatuses } from '../../domain/integrations/integration-status.ts';
import { CreatedBy, creatorOf, epochSeconds, toSeconds } from '../http/input.ts';
import { OperationView } from '../http/operation-view.ts';
import { isRegistry, type RegistryState, RegistryView, registryView } from '../registries/registry-view.ts';

export const kinds = ['github', 'gitlab', 'git', 'ecr', 'gar', 'acr', 'dockerhub', 'oci'] as const;

export const IntegrationView = z
  .object({
    id: z.string(),
    provider: z.enum(kinds),
    host_url: z.string(),
    auth_mode: z.string(),
    status: z.enum(integrationStatuses),
    status_reason: z.string().nullable().describe('A stable code that explains the status'),
    display_name: z.string(),
    metadata: z.record(z.string(), z.unknown()),
    app_id: z
      .string()
      .nullable()
      .describe('The number of the GitHub App at GitHub, as text. Elsewhere `app_id` is the id of an app (`app_…`)'),
    app_slug: z.string().nullable(),
    registry: RegistryView.optional().describe('Only for a registry: its settings and the results of its checks'),
    created_by: CreatedBy,
    created_at: epochSeconds,
    updated_at: epochSeconds,
  })
  .meta({ id: 'Integration' });

/** An integration, and the operation of the verification that follows, if there is one. */
export const ChangedIntegration = IntegrationView.extend({
  operation: OperationView.optional(),
  rebound: z
    .int()
    .optional()
    .describe('How many apps use the account again, because they had used it before. Absent if there is none'),
}).meta({ id: 'IntegrationWithOperation' });

/** An integration in a list. It has these members only. */
export const IntegrationItem = IntegrationView.pick({
  id: true,
  provider: true,
  host_url: true,
  auth_mode: true,
  status: true,
  display_name: true,
  app_id: true,
  app_slug: true,
  created_by: true,
  created_at: true,
  updated_at: true,
}).meta({ id: 'IntegrationSummary' });

/** Returns the integration. For a registry, it includes the result for each repository, and a new login. */
export async function detailOf(db: Db, integration: Integration): Promise<z.input<typeof IntegrationView>> {
  if (!isRegistry(integration)) return integrationView(integration);
  const { id } = integration;
  return integrationView(integration, {
    checks: await registryChecksIn(db).of(id),
    pending: await describeInactiveLogin(db, id, 'pending'),
  });
}

/**
 * Returns the current state of an integration. The request that created or changed it has already checked the caller's
 * access.
 */
export async function detailById(db: Db, integrationId: string): Promise<z.input<typeof IntegrationView> | undefined> {
  const integration = await allIntegrations(db).find(integrationId);
  return integration && detailOf(db, integration);
}

export function integrationView(
  integration: Integration,
  registry: RegistryState = { checks: [], pending: undefined },
): z.input<typeof IntegrationView> {
  return {
    id: integration.id,
    provider: integration.kind as (typeof kinds)[number],
    host_url: integration.hostUrl,
    auth_mode: integration.authMode,
    status: integration.status,
    status_reason: integration.statusReason,
    display_name: integration.displayName,
    metadata: integration.metadata,
    app_id: integration.appId === null ? null : String(integration.appId),
    app_slug: integration.appSlug,
    ...(isRegistry(integration) && { registry: registryView(integration, registry) }),
    created_by: creatorOf(integration.createdBy),
    created_at: toSeconds(integration.createdAt),
    updated_at: toSeconds(integration.updatedAt),
  };
}
