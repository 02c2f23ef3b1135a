import { z } from 'zod';
import type { CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import { cloudAccountStatuses, cloudKinds, isDiscouraged } from '../../domain/clouds/cloud-accounts.ts';
import { cloudAdvice } from '../../domain/clouds/cloud-advice.ts';
import { CreatedBy, creatorOf, epochSeconds, toSeconds } from '../http/input.ts';
import { OperationView } from '../http/operation-view.ts';
import { SetupView } from './setup.ts';

export const CloudAccountItem = z
  .object({
    id: z.string(),
    org_id: z.string(),
    project_id: z.string().nullable().describe('Null if the organization owns the account'),
    kind: z.enum(cloudKinds),
    auth_mode: z.string(),
    display_name: z.string(),
    config: z.record(z.string(), z.string()).describe('The settings that are not secret'),
    pending_config: z
      .record(z.string(), z.string())
      .nullable()
      .describe('The settings of a new access that the cloud has not accepted yet. Until then, `config` stays in use'),
    status: z.enum(cloudAccountStatuses),
    status_reason: z.string().nullable().describe('A stable code from the last check'),
    next_action: z.string().nullable().describe('What you can do to fix the account'),
    discouraged: z
      .boolean()
      .describe('Whether the account needs a long-lived secret although the cloud supports a way without one'),
    checked_at: epochSeconds.nullable(),
    expires_at: epochSeconds.nullable().describe('When the secret in use expires, if its owner has set a date'),
    created_by: CreatedBy,
    created_at: epochSeconds,
    updated_at: epochSeconds,
  })
  .meta({ id: 'CloudAccountSummary' });

export const CloudAccountView = CloudAccountItem.extend({
  setup: SetupView.describe('What to paste at the cloud'),
}).meta({ id: 'CloudAccount' });

export const ChangedCloudAccount = CloudAccountView.extend({
  operation: OperationView.optional().describe('The verification, if the access has changed'),
}).meta({ id: 'ChangedCloudAccount' });

export function cloudAccountView(account: CloudAccount): z.input<typeof CloudAccountItem> {
  return {
    id: account.id,
    org_id: account.orgId,
    project_id: account.projectId,
    kind: account.kind,
    auth_mode: account.authMode,
    display_name: account.displayName,
    config: account.config,
    pending_config: account.pendingConfig,
    status: account.status,
    status_reason: account.statusReason,
    next_action: nextAction(account),
    discouraged: isDiscouraged(account.authMode),
    checked_at: toSeconds(account.checkedAt),
    expires_at: toSeconds(account.expiresAt),
    created_by: creatorOf(account.createdBy),
    created_at: toSeconds(account.createdAt),
    updated_at: toSeconds(account.updatedAt),
  };
}

function nextAction({ status, statusReason }: CloudAccount): string | null {
  if (statusReason !== null) return cloudAdvice(statusReason);
  return status === 'pending' ? 'Paste the contents of `setup` at the cloud, then verify the account.' : null;
}
