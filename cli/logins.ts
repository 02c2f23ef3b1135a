import { bearerToken, isId } from '../domain/ids.ts';
import type { RegistryPurpose } from '../domain/registries/registry-purposes.ts';
import { CliFailure } from './failure.ts';
import { isOpenToOthers, readText, replaceFile } from './private-file.ts';
import type { Settings } from './settings.ts';

/** What `fairlead login` stores for one project of one instance. */
export type Login = { url: string; project: string; app?: string; purpose?: RegistryPurpose; token: string };

/** The login that a command uses. `from` decides the advice if its token is rejected. */
export type Account = Login & { from: 'login' | 'environment' };

/** Returns the stored logins. The last login comes first, and is the default. */
export function readLogins({ configFile: file }: Pick<Settings, 'configFile'>): Login[] {
  const text = readText(file);
  if (text === undefined) return [];
  try {
    const { logins } = JSON.parse(text) as { logins: Login[] };
    if (logins.every(isWhole)) return logins;
  } catch {
    // Thrown below, without the parser’s message, which might contain a part of the file.
  }
  throw new CliFailure(`${file} is not a valid login file. Fix it or delete it`);
}

/** Checks an entry of the file, which a person might have edited. */
function isWhole({ url, project, token }: Login): boolean {
  const areTexts = [url, project, token].every((one) => typeof one === 'string');
  return areTexts && URL.canParse(url) && isId('prj', project) && bearerToken.test(token);
}

export function writeLogins({ configFile: file }: Pick<Settings, 'configFile'>, logins: Login[]): void {
  replaceFile(file, `${JSON.stringify({ logins }, null, 2)}\n`);
}

/** Returns a warning if other users can read the file with the tokens. */
export function complaintAbout({ configFile: file }: Pick<Settings, 'configFile'>): string | undefined {
  return isOpenToOthers(file) ? `${file} contains tokens, and other users can read it: run chmod 600 on it` : undefined;
}

/**
 * Combines the environment and the logins to an account. A stored token is used only with the address and the project
 * that it was stored for.
 */
export function chooseAccount(settings: Settings): Account {
  const { url, project, token } = settings;
  // If the environment is complete, a broken file does not matter.
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
    const where = url || project ? ' to this instance and project' : '';
    throw new CliFailure(`Not logged in${where}. Run \`fairlead login\`, or set ${missing.join(', ')}`);
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
