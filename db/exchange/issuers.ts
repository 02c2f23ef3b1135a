import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import type { CloudAccountStatus } from '../../domain/clouds/cloud-accounts.ts';
import { type IntegrationStatus, usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { usedBy } from '../integrations/usable-integrations.ts';
import type { Db } from '../store/connection.ts';
import { hold, shared } from '../store/locks.ts';

/** An integration, as it was when a project requested a credential through it. */
export type Issuer = { id: string; projectId: string; epoch: number };

export type FoundIssuer = {
  issuer: Issuer;
  kind: string;
  status: IntegrationStatus;
  hostUrl: string;
  settings: Record<string, unknown>;
  /** The inherited cloud account, as it was at that time. */
  cloud: { id: string; epoch: number; status: CloudAccountStatus } | null;
};

/** Finds an integration that the project owns or was granted, including a deleted one. */
export async function findIssuer(db: Db, projectId: string, id: string): Promise<FoundIssuer | undefined> {
  const row = await usedBy(db, db('integrations').where({ id }), projectId)
    .whereNot('status', 'expired')
    .first('kind', 'status', 'host_url', 'epoch', 'settings', 'cloud_account_id');
  if (!row) return undefined;
  const { kind, status, host_url: hostUrl, epoch } = row;
  const cloud = row.cloud_account_id === null ? undefined : await cloudOf(db, row.cloud_account_id);
  const settings = JSON.parse(row.settings) as Record<string, unknown>;
  return { issuer: { id, projectId, epoch }, kind, status, hostUrl, settings, cloud: cloud ?? null };
}

async function cloudOf(db: Db, id: string): Promise<FoundIssuer['cloud'] | undefined> {
  return db('cloud_accounts').where({ id }).first('id', 'epoch', 'status');
}

/**
 * Returns whether the project can still use the integration, and it was not cut off since it was read. A cut-off waits
 * until this transaction ends.
 */
export async function isStillIssuer(trx: Db, { id, projectId, epoch }: Issuer): Promise<boolean> {
  // The lock comes first: only a later statement sees a grant that was revoked during the wait for the lock.
  await hold(shared(trx('integrations').where({ id }).first('id')));
  const query = usedBy(trx, trx('integrations').where({ id, epoch }), projectId).whereIn('status', [
    ...usableIntegrationStatuses,
  ]);
  return (await query.first('integrations.id')) !== undefined;
}

/** Returns whether the build is still open. If so, it cannot end before the transaction does. */
export async function isStillRunning(trx: Db, buildId: string): Promise<boolean> {
  const build = await shared(trx('builds').where({ id: buildId }).first('status'));
  return build !== undefined && !isFinalBuildStatus(build.status);
}
