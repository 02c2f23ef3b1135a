export { connectGithub } from './connect-github.ts';
export { dispatchBuild } from './dispatch-build.ts';
export { syncInstallations } from './sync-installations.ts';
