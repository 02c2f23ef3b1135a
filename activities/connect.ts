import { bindInstallation } from './connect/bind-installation.ts';
import { convertManifest } from './connect/convert-manifest.ts';
import type { ConnectDeps } from './connect/deps.ts';
import { flowSteps } from './connect/flow-steps.ts';
import { identifyInstaller } from './connect/identify-installer.ts';
import { lookForApproval } from './connect/look-for-approval.ts';
import { proveOwnership } from './connect/prove-ownership.ts';
import { withHeartbeats } from './heartbeats.ts';

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
