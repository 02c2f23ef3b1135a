import { revokeConsentWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { cloudSecretKinds } from '../../domain/registries/registry-settings.ts';
import { allIncidents } from '../ops/incidents.ts';
import { purgeCredentials } from '../secrets/credentials.ts';
import { sealedSecrets } from '../secrets/sealed-secrets.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Db, Transaction } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import type { CloudAccount } from './cloud-accounts.ts';

/** Requests that the consent of a deleted account is revoked at Google. */
export async function requestConsentEnd(
  trx: Transaction,
  account: Pick<CloudAccount, 'id' | 'orgId' | 'projectId'>,
): Promise<void> {
  await commandsIn(trx).add(consentEndCommand(account));
}

/** Requests the revocation again, if the workflow ended before it revoked the consent and destroyed the secret. */
export async function resumeConsentEnd(trx: Transaction, id: string): Promise<void> {
  const deleted = trx('cloud_accounts').where({ id }).whereNotNull('deleted_at');
  const row = await deleted.first('org_id', 'project_id');
  const stored = await trx('credentials')
    .join('credential_versions', 'credential_versions.credential_id', 'credentials.id')
    .where('credentials.cloud_account_id', id)
    .whereNot('credential_versions.status', 'purged')
    .first('credentials.id');
  if (!row || !stored) return;
  const command = consentEndCommand({ id, orgId: row.org_id, projectId: row.project_id });
  await commandsIn(trx).add({ ...command, action: 'signal_with_start', signal: 'nudged' });
}

function consentEndCommand({ id, orgId, projectId }: Pick<CloudAccount, 'id' | 'orgId' | 'projectId'>): Command {
  const owner = { OrgId: orgId, ...(projectId !== null && { ProjectId: projectId }) };
  return {
    action: 'start',
    workflow: 'revokeConsent',
    workflowId: revokeConsentWorkflowId(id),
    input: { cloudAccountId: id },
    attributes: { ...owner, Kind: 'revokeConsent' },
    summary: `End the consent of ${id} at Google`,
  };
}

/**
 * Returns whether an existing account uses this person's consent, because revoking one at Google revokes them all. If
 * the person is unknown, every account might use it.
 */
export async function isConsentInUse(db: Db, email: string | undefined): Promise<boolean> {
  const rows = await db('cloud_accounts')
    .where({ kind: 'gcp', auth_mode: 'oauth' })
    .whereNull('deleted_at')
    .select('config');
  return rows.some(({ config }) => email === undefined || JSON.parse(config).email === email);
}

/** Returns the consent to revoke. Returns nothing if there is none, or if another account needs it. */
export async function endingConsent(db: Db, keyring: Keyring, cloudAccountId: string): Promise<string | undefined> {
  const row = await db('cloud_accounts').where({ id: cloudAccountId }).whereNotNull('deleted_at').first('config');
  if (!row || (await isConsentInUse(db, JSON.parse(row.config).email))) return undefined;
  return sealedSecrets(db, keyring).active({ cloudAccountId }, cloudSecretKinds.oauth);
}

/** Destroys the stored consent. If Google did not confirm the revocation, an incident asks the person to end it. */
export async function forgetConsent(trx: Transaction, cloudAccountId: string, isConfirmed: boolean): Promise<void> {
  const deleted = trx('cloud_accounts').where({ id: cloudAccountId }).whereNotNull('deleted_at');
  const account = await deleted.first('org_id', 'project_id', 'config');
  if (!account) return;
  await purgeCredentials(trx, { cloud_account_id: cloudAccountId });
  if (isConfirmed) return;
  await allIncidents(trx).raise({
    orgId: account.org_id,
    projectId: account.project_id,
    code: 'revocation_unconfirmed',
    subjectId: cloudAccountId,
    action: `Have ${JSON.parse(account.config).email} take back Fairlead’s access in their Google account; then resolve this incident.`,
    link: 'https://myaccount.google.com/connections',
  });
}
