import { openCache } from './cache.ts';
import { CliFailure } from './failure.ts';
import { type Login, readLogins, writeLogins } from './logins.ts';
import { parseOptions } from './options.ts';
import { checkId, checkUrl, readSettings } from './settings.ts';
import type { World } from './world.ts';

const options = { url: { type: 'string' }, project: { type: 'string' }, all: { type: 'boolean' } } as const;

/** `fairlead logout`: removes the login in use, the named ones, or all, together with their cached credentials. */
export async function logout(world: World): Promise<number> {
  const { values, positionals } = parseOptions('logout', world.args, options);
  if (positionals.length > 0) throw new CliFailure('fairlead logout accepts no arguments', 'usage');
  const settings = readSettings(world);
  const url = values.url ? checkUrl(values.url, '--url') : settings.url;
  const project = values.project ? checkId('prj', values.project, '--project') : settings.project;
  const logins = readLogins(settings);
  const isMeant = (login: Login) =>
    values.all || url || project
      ? (url ?? login.url) === login.url && (project ?? login.project) === login.project
      : login === logins[0];
  const gone = logins.filter(isMeant);
  if (gone.length === 0) throw new CliFailure('No matching login');
  // The file comes first: after it, no command can use the login, even if the next step fails.
  writeLogins(
    settings,
    logins.filter((login) => !gone.includes(login)),
  );
  for (const { url: at, project: of, token } of gone) {
    openCache({ folder: settings.cacheFolder, token }).clear();
    world.out(`Logged out of ${at} (${of}). The token remains valid until you revoke it.\n`);
  }
  return 0;
}
