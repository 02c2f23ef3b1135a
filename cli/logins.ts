import { bearerToken, isId } from '../domain/ids.ts';
import type { RegistryPurpose } from '../domain/registries/registry-purposes.ts';
import { CliFailure } from './failure.ts';
import { isOpenToOthers, readText, replaceFile } from './private-file.ts';
import type { Settings } from './settings.ts';

/** What `fairlead login` stores of one project at one instance. */
export type Login = { url: string; project: string; app?: string; purpose?: RegistryPurpose; token: string };

/** A login that a command uses; `from` says what to repair when its token is refused. */
export type Account = Login & { from: 'login' | 'environment' };

/** The one that was logged in last comes first, and is used where nothing says another. */
export function readLogins({ configFile: file }: Pick<Settings, 'configFile'>): Login[] {
  const text = readText(file);
  if (text === undefined) return [];
  try {
    const { logins } = JSON.parse(text) as { logins: Login[] };
    if (logins.every(isWhole)) return logins;
  } catch {
    // Said below: what a parser says might show a part of the file.
  }
  throw new CliFailure(`${file} is not as \`fairlead login\` writes it: repair or remove it`);
}

/** Checks an entry of the file, which a person may have edited by hand. */
function isWhole({ url, project, token }: Login): boolean {
  const areTexts = [url, project, token].every((one) => typeof one === 'string');
  return areTexts && URL.canParse(url) && isId('prj', project) && bearerToken.test(token);
}

export function writeLogins({ configFile: file }: Pick<Settings, 'configFile'>, logins: Login[]): void {
  replaceFile(file, `${JSON.stringify({ logins }, null, 2)}\n`);
}

/** What a person should know of the file with their tokens. */
export function complaintAbout({ configFile: file }: Pick<Settings, 'configFile'>): string | undefined {
  return isOpenToOthers(file) ? `${file} holds tokens, and others can read it: chmod 600 it` : undefined;
}

/**
 * The account that the environment and the logins make together. A stored token is only ever used with the address and
 * the project that it was stored for.
 */
export function chooseAccount(settings: Settings): Account {
  const { url, project, token } = settings;
  // Complete without them, nothing of a broken file matters.
  const logins = url && project && token ? [] : readLogins(settings);
  const stored = logins.find(
    (login) => (url ?? login.url) === login.url && (project ?? login.project) === login.project,
  );
  const found = {
    url: url ?? stored?.url,
    project: project ?? stored?.project,
    token: token ?? stored?.token,
  };
  const missing = Object.entries(found).flatMap(([name, value]) => (value ? [] : [`FAIRLEAD_${name.toUpperCase()}`]));
  if (!found.url || !found.project || !found.token) {
    const where = url || project ? ' there' : '';
    throw new CliFailure(`Not logged in${where}: run \`fairlead login\`, or set ${missing.join(', ')}`);
  }
  const app = settings.app ?? stored?.app;
  const purpose = settings.purpose ?? stored?.purpose;
  return {
    url: found.url,
    project: found.project,
    token: found.token,
    ...(app && { app }),
    ...(purpose && { purpose }),
    from: token ? 'environment' : 'login',
  };
}
