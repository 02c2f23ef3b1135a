import { type Api, apiOf, Refused } from './api.ts';
import { CliFailure, plain } from './failure.ts';
import { type Login, readLogins, writeLogins } from './logins.ts';
import { parseOptions } from './options.ts';
import { checkId, checkToken, checkUrl, readSettings } from './settings.ts';
import type { World } from './world.ts';

const options = {
  url: { type: 'string' },
  project: { type: 'string' },
  app: { type: 'string' },
  push: { type: 'boolean' },
  'token-stdin': { type: 'boolean' },
} as const;

/** `fairlead login`: stores a token for a project, after the instance has accepted both. */
export async function login(world: World): Promise<number> {
  const { values, positionals } = parseOptions('login', world.args, options);
  if (positionals.length > 0) {
    throw new CliFailure('fairlead login accepts no arguments. To pass a token, use --token-stdin', 'usage');
  }
  const settings = readSettings(world);
  const logins = readLogins(settings);
  const url = values.url ? checkUrl(values.url, '--url') : (settings.url ?? (await askUrl(world)));
  const app = values.app ? checkId('app', values.app, '--app') : settings.app;
  const named = values.project ? checkId('prj', values.project, '--project') : settings.project;
  const token = await readToken(world, values['token-stdin'] ?? false);

  const api = apiOf({ url, token, from: 'input' }, settings);
  const who = await whoIs(api);
  const project = named ?? theOnlyProject(who);
  const projectName = await checkProject(api, who, project);
  if (app) await checkApp(api, app, project);

  const entry: Login = { url, project, ...(app && { app }), ...(values.push && { purpose: 'push' as const }), token };
  writeLogins(settings, [entry, ...logins.filter((one) => one.url !== url || one.project !== project)]);
  warnOfPlainHttp(world, url);
  const as = who ? ` as ${plain(who.id)}` : '';
  world.out(`Logged in to ${url}${as}, for ${projectName} (${project}). Stored in ${settings.configFile}\n`);
  return 0;
}

/** Undefined if the token belongs to one app or build, and can only exchange credentials. */
type Who = { id: string; kind: string; grants: Grant[] } | undefined;
type Grant = { org_id: string; project_id: string | null; scopes: string[] };

const needed = 'credentials:exchange';

async function whoIs(api: Api): Promise<Who> {
  const me = await unlessForbidden(api('GET', '/v1/me'));
  if (me && !Array.isArray(me['grants'])) throw new CliFailure('The server responds, but not as Fairlead does');
  return me && { id: String(me['id']), kind: String(me['kind']), grants: me['grants'] as Grant[] };
}

function theOnlyProject(who: Who): string {
  if (!who) throw new CliFailure('The token does not say which project it is for. Set it with --project', 'usage');
  const projects = who.grants.map(({ project_id: project }) => project);
  const [only] = projects;
  if (projects.length === 1 && only) return only;
  throw new CliFailure('The token can access several projects. Choose one with --project', 'usage');
}

/** Returns the project’s name for the message, if the token may read it. */
async function checkProject(api: Api, who: Who, project: string): Promise<string> {
  if (!who) return 'the project of the token';
  const mayExchange = who.kind === 'operator' || who.grants.some((grant) => isFor(grant, project));
  if (!mayExchange) {
    throw new CliFailure(`The token lacks the scope ${needed} in ${project}`);
  }
  const found = await unlessForbidden(api('GET', `/v1/projects/${project}`)).catch((error: unknown) => {
    if (error instanceof Refused && error.status === 404) throw new CliFailure(`The token cannot access ${project}`);
    throw error;
  });
  return typeof found?.['name'] === 'string' ? `the project ${plain(found['name'])}` : 'the project';
}

function isFor({ project_id: only, scopes }: Grant, project: string): boolean {
  return (only === null || only === project) && scopes.includes(needed);
}

async function checkApp(api: Api, app: string, project: string): Promise<void> {
  const found = await unlessForbidden(api('GET', `/v1/apps/${app}`)).catch((error: unknown) => {
    if (error instanceof Refused && error.status === 404) throw new CliFailure(`The token cannot access ${app}`);
    throw error;
  });
  if (found && found['project_id'] !== project) throw new CliFailure(`${app} belongs to another project`);
}

/** Returns undefined if the token is valid but lacks the scope to read this. */
async function unlessForbidden(asking: ReturnType<Api>): Promise<Record<string, unknown> | undefined> {
  return asking.catch((error: unknown) => {
    if (error instanceof Refused && error.code === 'missing_scope') return undefined;
    throw error;
  });
}

async function askUrl(world: World): Promise<string> {
  if (!world.hasTerminal) throw new CliFailure('Set the address of the instance with --url', 'usage');
  return checkUrl(await world.ask('Address of Fairlead: '), 'The input');
}

async function readToken(world: World, fromInput: boolean): Promise<string> {
  if (fromInput) return checkToken((await world.input()).trim(), 'Standard input');
  if (!world.hasTerminal) throw new CliFailure('There is no terminal to ask for the token. Use --token-stdin', 'usage');
  return checkToken(await world.ask('API token (not shown): ', { secret: true }), 'The input');
}

function warnOfPlainHttp(world: World, url: string): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)) return;
  world.err(`fairlead: ${url} is not encrypted: others on the network can read the token\n`);
}
