import path from 'node:path';
import { registryHost, registryKinds } from '../domain/registries/registry-hosts.ts';
import { apiOf } from './api.ts';
import { CliFailure } from './failure.ts';
import { chooseAccount } from './logins.ts';
import { parseOptions } from './options.ts';
import { readText, replaceFile } from './private-file.ts';
import { readSettings } from './settings.ts';
import type { World } from './world.ts';

const ours = 'fairlead';
/** Docker asks for its own registry by the first, crane by the second, skopeo by the third. */
const namesOfDockerHub = ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io'];

type Config = Record<string, unknown> & { credHelpers?: Record<string, string> };

/** `fairlead configure-docker`: entries in Docker’s config.json, and nothing else of it is changed. */
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
    world.out(`${file} has all of it already.\n`);
    return 0;
  }

  world.out(`In ${file}, below "credHelpers":\n`);
  for (const name of changes) {
    const instead = helpers[name] ? `   instead of ${JSON.stringify(helpers[name])}` : '';
    world.out(`  ${JSON.stringify(name)}: "${ours}"${instead}\n`);
  }
  if (world.hasTerminal && !values.yes && !/^y(es)?$/i.test(await world.ask('Write it? [y/N] '))) {
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

/** What is not as Docker writes it is not ours to repair, and is not overwritten. */
function readConfig(file: string): Config {
  const text = readText(file);
  if (!text?.trim()) return {};
  try {
    const config: unknown = JSON.parse(text);
    const helpers = isObject(config) ? (config['credHelpers'] ?? {}) : undefined;
    if (isObject(helpers)) return config as Config;
  } catch {
    // Said below.
  }
  throw new CliFailure(`${file} is not a config.json of Docker’s: it was left as it is`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function requireHost(text: string): string {
  const host = registryHost(text)?.host;
  if (host) return host;
  throw new CliFailure('A host is expected such as ghcr.io or registry.example.com:5000', 'usage');
}

/** Those of the registries that the project may use. */
async function connectedHosts(world: World): Promise<string[]> {
  const settings = readSettings(world);
  const account = chooseAccount(settings);
  const api = apiOf(account, settings);
  const hosts: string[] = [];
  const list: unknown = await api('GET', `/v1/projects/${account.project}/integrations?limit=200`);
  if (!Array.isArray(list)) throw new CliFailure(`${account.url} did not return a list: is that its address?`);
  for (const one of list.filter(isObject)) {
    const { provider, host_url: url } = one;
    const isRegistry = registryKinds.some((kind) => kind === provider);
    const host = isRegistry && typeof url === 'string' ? registryHost(url)?.host : undefined;
    if (host) hosts.push(host);
  }
  if (hosts.length > 0) return [...new Set(hosts)];
  throw new CliFailure('The project is connected to no registry: name the hosts');
}
