import { withHeartbeats } from '../heartbeats.ts';
import { bindInstallation } from './bind-installation.ts';
import { convertManifest } from './convert-manifest.ts';
import { type ConnectDeps, flowSteps } from './flow-steps.ts';
import { identifyInstaller } from './identify-installer.ts';
import { lookForApproval } from './look-for-approval.ts';
import { proveOwnership } from './prove-ownership.ts';

export type { ConnectDeps };

/** The steps of a flow that connects a GitHub account. Each looks first whether the flow still waits for it. */
export function connectActivities(deps: ConnectDeps) {
  const { convertManifest: convert, giveUpConversion } = convertManifest(deps);
  const { identifyInstaller: identify, forgetSignIn } = identifyInstaller(deps);
  return {
    ...flowSteps(deps),
    giveUpConversion,
    forgetSignIn,
    convertManifest: beating(convert),
    identifyInstaller: beating(identify),
    proveOwnership: beating(proveOwnership(deps)),
    bindInstallation: beating(bindInstallation(deps)),
    lookForApproval: beating(lookForApproval(deps)),
  };
}

function beating<Input extends { flowId: string }, Result>(step: (input: Input) => Promise<Result>): typeof step {
  return (input) => withHeartbeats(() => step(input));
}
