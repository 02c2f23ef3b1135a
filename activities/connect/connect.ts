import { completeFlow } from './complete-flow.ts';
import { convertManifest } from './convert-manifest.ts';
import { type ConnectDeps, flowSteps } from './flow-steps.ts';
import { identifyInstaller } from './identify-installer.ts';
import { lookForApproval } from './look-for-approval.ts';
import { proveOwnership } from './prove-ownership.ts';

export type { ConnectDeps };

/** The steps of a flow that connects a GitHub account. Each one first checks that the flow still waits for it. */
export function connectActivities(deps: ConnectDeps) {
  return {
    ...flowSteps(deps),
    ...convertManifest(deps),
    ...identifyInstaller(deps),
    proveOwnership: proveOwnership(deps),
    bindInstallation: completeFlow(deps),
    lookForApproval: lookForApproval(deps),
  };
}
