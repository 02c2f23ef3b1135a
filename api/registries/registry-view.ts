import { z } from 'zod';
import type { Integration } from '../../db/integrations/integrations.ts';
import type { RegistryCheck } from '../../db/registries/registry-checks.ts';
import type { InactiveLogin } from '../../db/registries/registry-logins.ts';
import { registryKinds } from '../../domain/registries/registry-hosts.ts';
import { registryPurposes } from '../../domain/registries/registry-purposes.ts';
import { purposesOf, type RegistrySettings } from '../../domain/registries/registry-settings.ts';
import { epochSeconds, toSeconds } from '../http/input.ts';

export const RegistryCheckView = z
  .object({
    repository: z.string(),
    action: z.enum(registryPurposes),
    outcome: z.enum(['allowed', 'denied', 'unproven']),
    code: z.string().nullable().describe('A stable code that explains the outcome'),
    checked_at: epochSeconds,
  })
  .meta({ id: 'RegistryCheck' });

export const RegistryView = z
  .object({
    host: z.string(),
    username: z.string().nullable(),
    cloud_account_id: z.string().nullable(),
    repositories: z.array(z.string()),
    purposes: z.array(z.enum(registryPurposes)).describe('What the registry is used for'),
    realm: z.string().nullable().describe('The only other host to which Fairlead sends the credentials'),
    asked_realm: z
      .string()
      .nullable()
      .describe(
        'The host to which the registry wants the credentials to be sent. To allow it, send it as `realm` with `PATCH`',
      ),
    custom_ca: z.boolean(),
    expires_at: epochSeconds.nullable().describe('When the credentials expire, if their owner has set a date'),
    pending_login: z
      .object({ version: z.int(), username: z.string(), since: epochSeconds })
      .nullable()
      .describe(
        'A new login that the registry has not accepted yet. Until then, the active one stays in use. Always null in a list',
      ),
    checked_at: epochSeconds.nullable(),
    last_success_at: epochSeconds.nullable(),
    checks: z.array(RegistryCheckView).describe('The result of the last check for each repository'),
  })
  .meta({ id: 'Registry' });

/** What is stored about a registry besides its integration. */
export type RegistryState = { checks: RegistryCheck[]; pending: InactiveLogin | undefined };

export function registryView(
  integration: Integration,
  { checks, pending }: RegistryState,
): z.input<typeof RegistryView> {
  const settings = integration.settings as RegistrySettings;
  return {
    host: settings.registry,
    username: settings.username ?? null,
    cloud_account_id: integration.cloudAccountId,
    repositories: settings.repositories ?? [],
    purposes: purposesOf(settings),
    realm: settings.realm ?? null,
    asked_realm: settings.asked_realm ?? null,
    custom_ca: settings.ca_pem !== undefined,
    expires_at: toSeconds(integration.expiresAt),
    pending_login: pending
      ? { version: pending.version, username: pending.username ?? '', since: toSeconds(pending.since) }
      : null,
    checked_at: toSeconds(integration.checkedAt),
    last_success_at: toSeconds(integration.lastSuccessAt),
    checks: checks.map(({ checkedAt, ...check }) => ({ ...check, checked_at: toSeconds(checkedAt) })),
  };
}

export function isRegistry({ kind }: Pick<Integration, 'kind'>): boolean {
  return (registryKinds as readonly string[]).includes(kind);
}
