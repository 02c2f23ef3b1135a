import { z } from 'zod';
import { type Revocation, revocations } from '../../domain/deletion/revocation.ts';
import { type Caller, scopesIn } from '../http/caller.ts';
import { Problem } from '../http/problems.ts';

export const revocation = z
  .enum(revocations)
  .default('auto')
  .describe(
    '`auto` uninstalls the App where no other integration uses the installation; `always` (`org:admin`) uninstalls it from under the others; `never` leaves it',
  );

export const DeletionQuery = z.strictObject({
  revocation,
  if_unused: z.enum(['true', 'false']).optional().describe('`true` refuses where it is in use'),
});

/** To take an installation from other projects is not for one of them to decide. */
export function requireMayRevoke(caller: Caller, orgId: string, wanted: Revocation): void {
  if (wanted !== 'always' || scopesIn(caller, orgId).has('org:admin')) return;
  throw new Problem('missing_scope', '`revocation=always` needs the scope org:admin.');
}
