import { registryHost } from '../domain/registries/registry-hosts.ts';
import { CliFailure, sentenceOf } from './failure.ts';
import { type Desk, openDesk, type Wish } from './obtain.ts';
import { versionLine } from './version.ts';
import type { World } from './world.ts';

/** Docker and compatible clients compare this exact sentence, and then continue without a credential. */
const notFound = 'credentials not found in native keychain';

/**
 * `docker-credential-fairlead`: implements the protocol of Docker’s credential helpers. Errors go to standard output,
 * because that is where Docker reads them.
 */
export async function dockerCredentials(world: World): Promise<number> {
  const [action, ...more] = world.args;
  try {
    if (more.length > 0) throw new CliFailure(usage, 'usage');
    return await act(world, action);
  } catch (error) {
    world.out(`${sentenceOf(error)}\n`);
    return error instanceof CliFailure ? error.exitCode : 1;
  }
}

const usage = 'usage: docker-credential-fairlead get|list|store|erase|version';

async function act(world: World, action: string | undefined): Promise<number> {
  switch (action) {
    case 'get':
      return get(world);
    case 'erase':
      return erase(world);
    case 'store':
      await world.input();
      world.err('fairlead: nothing was stored, because Fairlead provides the credentials of this registry\n');
      return 0;
    case 'list':
      // A list would need a request for every credential.
      world.out('{}\n');
      return 0;
    case 'version':
      world.out(`docker-credential-fairlead, ${versionLine()}\n`);
      return 0;
    default:
      throw new CliFailure(usage, 'usage');
  }
}

async function get(world: World): Promise<number> {
  const server = (await world.input()).trim();
  if (!server) throw new CliFailure('no credentials server URL');
  const host = hostOf(server);
  if (host === undefined) return absent(world);
  const desk = openDesk(world);
  const credential = await desk.obtain(wishFor(desk, host));
  // Never returns a credential for another host, even if the response contains one.
  if (!credential || hostOf(credential.at) !== host) return absent(world);
  const { username: Username, password: Secret } = credential;
  world.out(`${JSON.stringify({ ServerURL: server, Username, Secret })}\n`);
  return 0;
}

function absent(world: World): number {
  world.out(`${notFound}\n`);
  return 1;
}

async function erase(world: World): Promise<number> {
  const host = hostOf((await world.input()).trim());
  if (host === undefined) return 0;
  const desk = openDesk(world);
  desk.forget(wishFor(desk, host));
  return 0;
}

function wishFor({ account, settings }: Desk, host: string): Wish {
  return { purpose: account.purpose ?? 'pull', host, repositories: settings.repositories };
}

/** Parses `ghcr.io`, `https://ghcr.io/v2/`, and Docker’s own `https://index.docker.io/v1/`. */
function hostOf(server: string): string | undefined {
  return registryHost(server.replace(/\/v[12]\/?$/, ''))?.host;
}
