export { connectGithub } from './connect-github.ts';
export { dispatchBuild } from './dispatch-build.ts';
export { recoverAllDeliveries, recoverDeliveries } from './recover-deliveries.ts';
export { syncInstallations } from './sync-installations.ts';
