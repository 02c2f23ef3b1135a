import { CliFailure } from './failure.ts';
import { repositoryIn, serverOf } from './git-request.ts';
import { openDesk, type Wish } from './obtain.ts';
import { versionLine } from './version.ts';
import type { World } from './world.ts';

const usage = 'usage: git-credential-fairlead get|store|erase';

/** `git-credential-fairlead`: a credential helper for git over HTTP(S), as gitcredentials(7) describes. */
export async function gitCredentials(world: World): Promise<number> {
  const [action] = world.args;
  if (action === undefined || action === '--help') throw new CliFailure(usage, 'usage');
  if (action === '--version') world.out(`git-credential-fairlead, ${versionLine()}\n`);
  // `store` has nothing to do, because the cache keeps the credentials. Git might add other actions.
  if (action !== 'get' && action !== 'erase') return 0;
  const request = requestIn(await world.input());
  const server = serverOf(request);
  // This is not an error: git asks its next helper.
  if (!server) return 0;

  const desk = openDesk(world);
  const wish: Wish = {
    purpose: 'clone',
    host: new URL(server).host,
    repositories: repositoriesOf(request.get('path')),
  };
  if (action === 'erase') {
    desk.forget(wish, request.get('password'));
    return 0;
  }
  if (!wish.repositories && !desk.account.app) {
    throw new CliFailure(
      `git did not name the repository. Run \`git config --global credential.${server}.useHttpPath true\`, or set FAIRLEAD_APP`,
    );
  }
  const credential = await desk.obtain(wish);
  // Compares the whole origin, so that git does not send an https credential over plain HTTP.
  if (!credential || originOf(credential.at) !== server) return 0;
  world.out(answer(credential));
  return 0;
}

/** Parses git’s request. The last of several values wins, as in git. Lists such as `wwwauth[]` are not used. */
function requestIn(text: string): Map<string, string> {
  const [block = ''] = text.split(/\r?\n\r?\n/);
  const request = new Map<string, string>();
  for (const line of block.split(/\r?\n/)) {
    const at = line.indexOf('=');
    if (at > 0) request.set(line.slice(0, at), line.slice(at + 1));
  }
  return request;
}

function repositoriesOf(path: string | undefined): string[] | undefined {
  const repository = path === undefined ? undefined : repositoryIn(path);
  return repository === undefined ? undefined : [repository];
}

function originOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).origin : undefined;
}

function answer({ username, password, expiresAt }: { username: string; password: string; expiresAt: number }): string {
  if (/[\r\n\0]/.test(username + password))
    throw new CliFailure('git cannot use this credential: it contains a line break');
  return `username=${username}\npassword=${password}\npassword_expiry_utc=${expiresAt}\n`;
}
