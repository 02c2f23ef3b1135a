import { failure } from './failures.ts';
import { realmHost, trustedRealm } from './realm.ts';
import { type Login, requestToken, type Token } from './tokens.ts';
import { type Answer, ask, basic, type Wire } from './wire.ts';

/** How a registry lets somebody in. `open` asks nobody for anything at its door. */
export type WayIn =
  | { scheme: 'open' }
  | { scheme: 'basic' }
  | { scheme: 'bearer'; realm: string; service: string | undefined };

/** Knocks at the registry's door without a credential. */
export async function findWayIn(wire: Wire): Promise<WayIn> {
  const answer = await ask(wire, 'GET', '/v2/');
  const { host } = wire.origin;
  if (answer.status === 200 && isRegistry(answer)) return { scheme: 'open' };
  if (answer.status === 403) throw failure('policy', `${host} lets nobody in from here`, { status: 403 });
  const wayIn = answer.status === 401 ? wayInOf(answer) : undefined;
  if (wayIn) return wayIn;
  const said = answer.status === 401 ? 'asks for credentials in no known way' : `answers ${answer.status} at /v2/`;
  throw failure('not_a_registry', `${host} ${said}`, { status: answer.status });
}

/** Any web page answers 200, too. */
function isRegistry({ headers }: Answer): boolean {
  const isJson = /\bjson\b/i.test(headers.get('content-type') ?? '');
  return isJson || headers.get('docker-distribution-api-version') !== null;
}

/** What the challenge of a refusal says. Where it offers both, a token can do less than the password itself. */
export function wayInOf({ headers }: Answer): WayIn | undefined {
  const challenges = parseChallenges(headers.get('www-authenticate') ?? '');
  const of = (scheme: string) => challenges.find((one: Challenge) => one.scheme === scheme);
  const realm = of('bearer')?.params.get('realm');
  if (realm !== undefined) return { scheme: 'bearer', realm, service: of('bearer')?.params.get('service') };
  return of('basic') && { scheme: 'basic' };
}

/** The host that credentials would be sent to, other than the registry's own; it may not be trusted yet. */
export function realmOf(wayIn: WayIn): string | undefined {
  return wayIn.scheme === 'bearer' ? realmHost(wayIn.realm) : undefined;
}

export type Scoped = { login: Login; scopes: string[]; pinnedRealm: string | undefined };

/** A token of the registry's token service; undefined where that refuses. */
export function tokenFor(
  wire: Wire,
  wayIn: WayIn & { scheme: 'bearer' },
  { login, scopes, pinnedRealm }: Scoped,
): Promise<Token | undefined> {
  const realm = trustedRealm(wire.origin, wayIn.realm, pinnedRealm);
  return requestToken(wire, { realm, service: wayIn.service, scopes, login });
}

/** The header to ask with; undefined where the token service refuses. */
export async function authorization(wire: Wire, wayIn: WayIn, scoped: Scoped): Promise<string | undefined> {
  if (wayIn.scheme === 'bearer') {
    const token = await tokenFor(wire, wayIn, scoped);
    return token && `Bearer ${token.token}`;
  }
  if ('identityToken' in scoped.login) throw noTokens(wire);
  return basic(scoped.login);
}

export function noTokens({ origin }: Wire) {
  return failure('bearer_unsupported', `${origin.host} gives no tokens: it takes a user name and a password only`);
}

/** One of the ways in that a `WWW-Authenticate` header offers; scheme and names in lower case, values as they stand. */
type Challenge = { scheme: string; params: ReadonlyMap<string, string> };

const separators = /[\s,]*/y;

const word = /[!#$%&'*+.^_`|~\w-]+/y;

const equals = /\s*=\s*/y;

const quoted = /"((?:[^"\\]|\\.)*)"/y;

/** What Negotiate and its like send instead of parameters. Only where nothing else follows before the next comma. */
const token68 = /[ \t]+[\w.~+/-]+=*(?=\s*(?:,|$))/y;

/**
 * Reads a header as RFC 9110 writes it: several challenges in one, commas inside of quotes, any case. What cannot be
 * read ends the reading; the challenges before it are kept.
 */
export function parseChallenges(header: string): Challenge[] {
  const found: { scheme: string; params: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (!match) return undefined;
    at = pattern.lastIndex;
    return match[1] ?? match[0];
  };

  for (;;) {
    take(separators);
    const name = take(word)?.toLowerCase();
    if (name === undefined) return found;
    const current = found.at(-1);
    if (take(equals) === undefined) {
      found.push({ scheme: name, params: new Map() });
      take(token68);
      continue;
    }
    const value = take(quoted)?.replaceAll(/\\(.)/g, '$1') ?? take(word);
    if (value === undefined || !current) return found;
    // Of two parameters with one name, no other reader is to see another one than this does.
    if (current.params.has(name)) return found.slice(0, -1);
    current.params.set(name, value);
  }
}
