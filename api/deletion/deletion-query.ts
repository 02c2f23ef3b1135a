import { z } from 'zod';
import { type Revocation, revocations } from '../../domain/deletion/revocation.ts';
import { type Caller, scopesIn } from '../http/caller.ts';
import { Problem } from '../http/problems.ts';

export const revocation = z
  .enum(revocations)
  .default('auto')
  .describe(
    '`auto` uninstalls the GitHub App if no other integration uses the installation. `always` uninstalls it in any case and needs `org:admin`. `never` keeps it',
  );

export const DeletionQuery = z.strictObject({
  revocation,
  if_unused: z.enum(['true', 'false']).optional().describe('`true` deletes only what is not in use'),
});

/** Prevents a project from removing an installation that other projects use. */
export function requireMayRevoke(caller: Caller, orgId: string, wanted: Revocation): void {
  if (wanted !== 'always' || scopesIn(caller, orgId).has('org:admin')) return;
  throw new Problem('missing_scope', 'You need the scope org:admin for `revocation=always`.');
}
