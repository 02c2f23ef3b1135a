import { CliFailure } from './failure.ts';
import { repositoryIn, serverOf } from './git-request.ts';
import { openDesk, type Wish } from './obtain.ts';
import { versionLine } from './version.ts';
import type { World } from './world.ts';

const usage = 'usage: git-credential-fairlead get|store|erase';

/** `git-credential-fairlead`: a credential helper for `git` over HTTP(S), as gitcredentials(7) describes them. */
export async function gitCredentials(world: World): Promise<number> {
  const [action] = world.args;
  if (action === undefined || action === '--help') throw new CliFailure(usage, 'usage');
  if (action === '--version') world.out(`git-credential-fairlead, ${versionLine()}\n`);
  // Git may come to know more, and `store` has nothing to do: we keep what we hand out ourselves.
  if (action !== 'get' && action !== 'erase') return 0;
  const request = requestIn(await world.input());
  const server = serverOf(request);
  // Not for us, and not our error: git asks its next helper.
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
      `git does not say which repository it wants: \`git config --global credential.${server}.useHttpPath true\`, or name an app in FAIRLEAD_APP`,
    );
  }
  const credential = await desk.obtain(wish);
  // The address as a whole: what is for https is not sent in plain.
  if (!credential || originOf(credential.at) !== server) return 0;
  world.out(answer(credential));
  return 0;
}

/** The last of several wins, as with git; what comes in lists (`wwwauth[]`) is not for us. */
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
  if (/[\r\n\0]/.test(username + password)) throw new CliFailure('git cannot take this credential: it has a line end');
  return `username=${username}\npassword=${password}\npassword_expiry_utc=${expiresAt}\n`;
}
