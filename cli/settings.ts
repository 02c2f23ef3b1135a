import path from 'node:path';
import { bearerToken, isId } from '../domain/ids.ts';
import { type RegistryPurpose, registryPurposes } from '../domain/registries/registry-purposes.ts';
import { CliFailure } from './failure.ts';
import type { World } from './world.ts';

/** What the environment says to the commands; each of it wins over what `fairlead login` has stored. */
export type Settings = {
  url: string | undefined;
  token: string | undefined;
  project: string | undefined;
  app: string | undefined;
  purpose: RegistryPurpose | undefined;
  /** Images that Docker's credentials are narrowed to. */
  repositories: string[] | undefined;
  caFile: string | undefined;
  timeoutMs: number;
  configFile: string;
  cacheFolder: string;
};

const usualTimeoutSeconds = 30;

export function readSettings({ env, home }: Pick<World, 'env' | 'home'>): Settings {
  // An empty variable is one that somebody left empty, not a value.
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

  /** As the XDG specification has it: a relative path there counts as none. */
  function folder(name: string, usual: string): string {
    const given = get(name);
    return given && path.isAbsolute(given) ? given : path.join(home, usual);
  }
}

/** An address of an instance without a slash at its end. It may lie below a path. */
export function checkUrl(text: string, name: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new CliFailure(`${name} is no address such as https://fairlead.example.com`, 'usage');
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new CliFailure(`${name} must be an address alone: no user, query or fragment`, 'usage');
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

export function checkId(prefix: 'prj' | 'app', text: string, name: string): string {
  if (isId(prefix, text)) return text;
  throw new CliFailure(`${name} is no id of ${prefix === 'prj' ? 'a project' : 'an app'} (${prefix}_…)`, 'usage');
}

/** Never says what was given instead: that might be most of a token. */
export function checkToken(text: string, name: string): string {
  if (text.length <= 4_096 && bearerToken.test(text)) return text;
  throw new CliFailure(`${name} holds something that is no token: one line without spaces is expected`, 'usage');
}

function checkPurpose(text: string | undefined): RegistryPurpose | undefined {
  if (text === undefined || registryPurposes.some((one) => one === text)) return text as RegistryPurpose | undefined;
  throw new CliFailure('FAIRLEAD_PURPOSE is neither pull nor push', 'usage');
}

function checkSeconds(text: string | undefined): number {
  if (text === undefined) return usualTimeoutSeconds;
  if (/^\d{1,4}$/.test(text) && Number(text) > 0) return Number(text);
  throw new CliFailure('FAIRLEAD_TIMEOUT is no number of seconds', 'usage');
}
