export { connectGithub } from './connect-github.ts';
export { deleteIntegration } from './delete-integration.ts';
export { dispatchBuild } from './dispatch-build.ts';
export { recoverAllDeliveries, recoverDeliveries } from './recover-deliveries.ts';
export { refreshInstallation } from './refresh-installation.ts';
export { reportBuild } from './report-build.ts';
export { revokeToken } from './revoke-token.ts';
export { rotateCredential } from './rotate-credential.ts';
export { syncInstallations } from './sync-installations.ts';
