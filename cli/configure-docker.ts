import path from 'node:path';
import { registryHost, registryKinds } from '../domain/registries/registry-hosts.ts';
import { apiOf, Refused } from './api.ts';
import { CliFailure } from './failure.ts';
import { chooseAccount } from './logins.ts';
import { parseOptions } from './options.ts';
import { readText, replaceFile } from './private-file.ts';
import { readSettings } from './settings.ts';
import type { World } from './world.ts';

const ours = 'fairlead';
/** Docker uses the first name for its own registry, crane the second, skopeo the third. */
const namesOfDockerHub = ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io'];

type Config = Record<string, unknown> & { credHelpers?: Record<string, string> };

/** `fairlead configure-docker`: adds entries to Docker’s config.json, and changes nothing else in it. */
export async function configureDocker(world: World): Promise<number> {
  const { values, positionals } = parseOptions('configure-docker', world.args, { yes: { type: 'boolean' } });
  const hosts = positionals.length > 0 ? positionals.map(requireHost) : await connectedHosts(world);
  const file = path.join(folderOf(world), 'config.json');
  const config = readConfig(file);
  const helpers = config.credHelpers ?? {};
  const changes = hosts
    .flatMap((host) => (host === 'docker.io' ? namesOfDockerHub : [host]))
    .filter((name) => helpers[name] !== ours);
  if (changes.length === 0) {
    world.out(`${file} has all of these entries already.\n`);
    return 0;
  }

  world.out(`In ${file}, below "credHelpers":\n`);
  for (const name of changes) {
    const instead = helpers[name] ? `   instead of ${JSON.stringify(helpers[name])}` : '';
    world.out(`  ${JSON.stringify(name)}: "${ours}"${instead}\n`);
  }
  if (world.hasTerminal && !values.yes && !/^y(es)?$/i.test(await world.ask('Write these entries? [y/N] '))) {
    world.out('Nothing was written.\n');
    return 1;
  }
  const entries = changes.map((name) => [name, ours] as const);
  const next: Config = { ...config, credHelpers: { ...helpers, ...Object.fromEntries(entries) } };
  replaceFile(file, `${JSON.stringify(next, null, '\t')}\n`, { keepMode: true });
  world.out('Written.\n');
  return 0;
}

function folderOf({ env, home }: World): string {
  return env['DOCKER_CONFIG']?.trim() || path.join(home, '.docker');
}

/** Throws if the file is not valid, so that it is not overwritten. */
function readConfig(file: string): Config {
  const text = readText(file);
  if (!text?.trim()) return {};
  try {
    const config: unknown = JSON.parse(text);
    const helpers = isObject(config) ? (config['credHelpers'] ?? {}) : undefined;
    if (isObject(helpers)) return config as Config;
  } catch {
    // Thrown below.
  }
  throw new CliFailure(`${file} is not a valid Docker config.json. It was not changed`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function requireHost(text: string): string {
  const host = registryHost(text)?.host;
  if (host) return host;
  throw new CliFailure('Expected a host, such as ghcr.io or registry.example.com:5000', 'usage');
}

/** A token for one app or with few scopes can get credentials, but cannot list the project's registries. */
function nameHosts(error: unknown): never {
  if (!(error instanceof Refused) || ![403, 404].includes(error.status)) throw error;
  throw new CliFailure(
    'This token cannot list the registries of the project. Name the hosts: `fairlead configure-docker ghcr.io`',
  );
}

/** Returns the hosts of the registries that the project can use. */
async function connectedHosts(world: World): Promise<string[]> {
  const settings = readSettings(world);
  const account = chooseAccount(settings);
  const api = apiOf(account, settings);
  const hosts: string[] = [];
  const list: unknown = await api('GET', `/v1/projects/${account.project}/integrations?limit=200`).catch(nameHosts);
  if (!Array.isArray(list)) throw new CliFailure(`${account.url} did not return a list: is the address correct?`);
  for (const one of list.filter(isObject)) {
    const { provider, host_url: url } = one;
    const isRegistry = registryKinds.some((kind) => kind === provider);
    const host = isRegistry && typeof url === 'string' ? registryHost(url)?.host : undefined;
    if (host) hosts.push(host);
  }
  if (hosts.length > 0) return [...new Set(hosts)];
  throw new CliFailure('The project has no registry integration: name the hosts');
}
