import { newId } from '../../domain/ids.ts';
import { appendAudit } from '../ops/audit.ts';
import type { Database } from '../store/connection.ts';
import { hashSecret, newSecret } from '../store/sealing.ts';

const linkMs = 15 * 60_000;
const ownerKey = 'bootstrap-owner';

/** Fills an empty database with one organization, one project, and an owner who also operates the instance. */
export async function bootstrap(database: Database): Promise<{ ownerId: string }> {
  return database.write(async (trx) => {
    const now = Date.now();
    const times = { created_at: now, updated_at: now };
    const ownerId = newId('user');
    // The row is the claim. If several processes start at once, only one creates the owner.
    await trx('instance').insert({ key: ownerKey, value: ownerId }).onConflict('key').ignore();
    const claimed = await trx('instance').where({ key: ownerKey }).first();
    if (claimed?.value !== ownerId) return { ownerId: claimed?.value ?? '' };

    const orgId = newId('org');
    await trx('orgs').insert({ id: orgId, name: 'Default', revision: 1, ...times });
    await trx('projects').insert({
      id: newId('prj'),
      org_id: orgId,
      name: 'Default',
      revision: 1,
      deleted_at: null,
      ...times,
    });
    await trx('users').insert({ id: ownerId, name: 'Owner', ops: true, ...times });
    await trx('memberships').insert({ org_id: orgId, user_id: ownerId, role: 'owner', ...times });
    await appendAudit(trx, { orgId, actor: 'system', action: 'org.created', target: orgId });
    return { ownerId };
  });
}

/** Creates a code that signs this user in once, within 15 minutes. */
export async function createSignInCode(database: Database, userId: string): Promise<string> {
  const code = newSecret('');
  const now = Date.now();
  await database.write(async (trx) => {
    await trx('sign_in_links').where('expires_at', '<', now).delete();
    await trx('sign_in_links').insert({
      code_hash: hashSecret(code),
      user_id: userId,
      created_at: now,
      expires_at: now + linkMs,
      used_at: null,
    });
  });
  return code;
}
