import { audit } from './audit.ts';
import { configureDocker } from './configure-docker.ts';
import { configureGit } from './configure-git.ts';
import { CliFailure } from './failure.ts';
import { login } from './login.ts';
import { logout } from './logout.ts';
import { usage } from './usage.ts';
import { versionLine } from './version.ts';
import type { World } from './world.ts';

const commands: Record<string, (world: World) => Promise<number>> = {
  login,
  logout,
  audit,
  'configure-docker': configureDocker,
  'configure-git': configureGit,
};

/** `fairlead COMMAND`: the commands that a person runs to set up the helpers. */
export async function fairlead(world: World): Promise<number> {
  const [name = '--help', ...args] = world.args;
  if (name === '--version' || name === 'version') {
    world.out(`${versionLine()}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h' || name === 'help' || args.includes('--help')) {
    world.out(usage);
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new CliFailure('Unknown command: see `fairlead --help`', 'usage');
  return command({ ...world, args });
}
