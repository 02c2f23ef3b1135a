import type { CloudAccounts } from '../../broker/clouds/cloud-accounts.ts';
import { Problem } from '../http/problems.ts';

/** Two of AWS's ways use the identity of the machine that Fairlead runs on, which is the operator's to offer. */
export function requireOffered({ awsIdentity }: Pick<CloudAccounts, 'awsIdentity'>, authMode: string): void {
  if (authMode === 'assume_role' && awsIdentity === 'none') {
    throw new Problem(
      'platform_identity_missing',
      'This Fairlead has no identity of its own at AWS: take `web_identity`, or have FAIRLEAD_AWS_IDENTITY set to `assume`.',
    );
  }
  if (authMode === 'ambient' && awsIdentity !== 'lend') {
    throw new Problem(
      'platform_identity_missing',
      'This Fairlead does not lend its own identity at AWS: take `assume_role` or `web_identity`.',
    );
  }
}
