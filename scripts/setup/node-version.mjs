import { SetupError } from './say.mjs';

/** As `engines` in package.json. The gate tests the oldest major and the newest. */
const oldest = [20, 19];
const newestMajor = 24;

/** Throws a `SetupError` if Fairlead does not support this version of Node, such as `26.1.0`. */
export function requireNode(version) {
  const [major, minor] = version.split('.').map(Number);
  const isOld = major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
  if (!isOld && major <= newestMajor) return;
  throw new SetupError(
    `Fairlead runs on Node ${oldest.join('.')} to ${newestMajor}, and this is Node ${version}: install Node ${newestMajor} and try again`,
  );
}
