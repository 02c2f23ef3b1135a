import { z } from 'zod';
import type { CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import { cloudAccountStatuses, cloudKinds, isDiscouraged } from '../../domain/clouds/cloud-accounts.ts';
import { cloudAdvice } from '../../domain/clouds/cloud-advice.ts';
import { epochSeconds, toSeconds } from '../http/input.ts';
import { SetupView } from './setup.ts';

export const CloudAccountItem = z
  .object({
    id: z.string(),
    org_id: z.string(),
    project_id: z.string().nullable().describe('Null where it is the organization’s'),
    kind: z.enum(cloudKinds),
    auth_mode: z.string(),
    display_name: z.string(),
    config: z.record(z.string(), z.string()).describe('Nothing secret'),
    status: z.enum(cloudAccountStatuses),
    status_reason: z.string().nullable().describe('A stable code, of the last check'),
    next_action: z.string().nullable().describe('What a person does about it'),
    discouraged: z.boolean().describe('It needs a secret that lies about; the cloud has a way without one'),
    checked_at: epochSeconds.nullable(),
    created_by: z.string(),
    created_at: epochSeconds,
    updated_at: epochSeconds,
  })
  .meta({ id: 'CloudAccountSummary' });

export const CloudAccountView = CloudAccountItem.extend({
  setup: SetupView.describe('What to paste at the cloud'),
}).meta({ id: 'CloudAccount' });

export function cloudAccountView(account: CloudAccount): z.input<typeof CloudAccountItem> {
  return {
    id: account.id,
    org_id: account.orgId,
    project_id: account.projectId,
    kind: account.kind,
    auth_mode: account.authMode,
    display_name: account.displayName,
    config: account.config,
    status: account.status,
    status_reason: account.statusReason,
    next_action: nextAction(account),
    discouraged: isDiscouraged(account.authMode),
    checked_at: toSeconds(account.checkedAt),
    created_by: account.createdBy,
    created_at: toSeconds(account.createdAt),
    updated_at: toSeconds(account.updatedAt),
  };
}

function nextAction({ status, statusReason }: CloudAccount): string | null {
  if (statusReason !== null) return cloudAdvice(statusReason);
  return status === 'pending' ? 'Paste at the cloud what `setup` shows, then verify the account.' : null;
}
