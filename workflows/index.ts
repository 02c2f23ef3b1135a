export { dispatchBuild } from './dispatch-build.ts';
