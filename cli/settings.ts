import path from 'node:path';
import { bearerToken, isId } from '../domain/ids.ts';
import { type RegistryPurpose, registryPurposes } from '../domain/registries/registry-purposes.ts';
import { CliFailure } from './failure.ts';
import type { World } from './world.ts';

/** The settings from the environment. Each takes precedence over what `fairlead login` has stored. */
export type Settings = {
  url: string | undefined;
  token: string | undefined;
  project: string | undefined;
  app: string | undefined;
  purpose: RegistryPurpose | undefined;
  /** The images that Docker’s credentials are limited to. */
  repositories: string[] | undefined;
  caFile: string | undefined;
  timeoutMs: number;
  configFile: string;
  cacheFolder: string;
};

const usualTimeoutSeconds = 30;

export function readSettings({ env, home }: Pick<World, 'env' | 'home'>): Settings {
  // An empty variable counts as not set.
  const get = (name: string) => env[name]?.trim() || undefined;
  const [url, project, app, token] = ['URL', 'PROJECT', 'APP', 'TOKEN'].map((name) => get(`FAIRLEAD_${name}`));
  return {
    url: url && checkUrl(url, 'FAIRLEAD_URL'),
    project: project && checkId('prj', project, 'FAIRLEAD_PROJECT'),
    app: app && checkId('app', app, 'FAIRLEAD_APP'),
    token: token && checkToken(token, 'FAIRLEAD_TOKEN'),
    purpose: checkPurpose(get('FAIRLEAD_PURPOSE')),
    repositories: get('FAIRLEAD_REPOSITORIES')
      ?.split(/[\s,]+/)
      .filter(Boolean),
    caFile: get('FAIRLEAD_CA_FILE'),
    timeoutMs: checkSeconds(get('FAIRLEAD_TIMEOUT')) * 1000,
    configFile: get('FAIRLEAD_CONFIG') ?? path.join(folder('XDG_CONFIG_HOME', '.config'), 'fairlead', 'config.json'),
    cacheFolder: path.join(folder('XDG_CACHE_HOME', '.cache'), 'fairlead', 'credentials'),
  };

  /** As the XDG specification requires, a relative path counts as not set. */
  function folder(name: string, usual: string): string {
    const given = get(name);
    return given && path.isAbsolute(given) ? given : path.join(home, usual);
  }
}

/** Returns the address of an instance, without a trailing slash. It can include a path. */
export function checkUrl(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new CliFailure(`${name} is not an address such as https://fairlead.example.com`, 'usage');
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new CliFailure(`${name} must be an address without user, query or fragment`, 'usage');
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

const named = { prj: 'a project', app: 'an app', org: 'an organization' };

export function checkId(prefix: keyof typeof named, text: string, name: string): string {
  if (isId(prefix, text)) return text;
  throw new CliFailure(`${name} is not the id of ${named[prefix]} (${prefix}_…)`, 'usage');
}

/** The message never contains the given text, which might be most of a token. */
export function checkToken(text: string, name: string): string {
  if (text.length <= 4_096 && bearerToken.test(text)) return text;
  throw new CliFailure(`${name} is not a valid token: expected one line without spaces`, 'usage');
}

function checkPurpose(text: string | undefined): RegistryPurpose | undefined {
  if (text === undefined || registryPurposes.some((one) => one === text)) return text as RegistryPurpose | undefined;
  throw new CliFailure('FAIRLEAD_PURPOSE must be pull or push', 'usage');
}

function checkSeconds(text: string | undefined): number {
  if (text === undefined) return usualTimeoutSeconds;
  if (/^\d{1,4}$/.test(text) && Number(text) > 0) return Number(text);
  throw new CliFailure('FAIRLEAD_TIMEOUT must be a number of seconds', 'usage');
}
