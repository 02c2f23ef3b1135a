import { failure } from './failures.ts';
import { realmHost, trustedRealm } from './realm.ts';
import { type Login, requestToken, type Token } from './tokens.ts';
import { type Answer, ask, basic, type Wire } from './wire.ts';

/** How a registry authenticates. `open` means that `/v2/` needs no credential. */
export type WayIn =
  | { scheme: 'open' }
  | { scheme: 'basic' }
  | { scheme: 'bearer'; realm: string; service: string | undefined };

/** Requests the registry's `/v2/` without a credential. */
export async function findWayIn(wire: Wire): Promise<WayIn> {
  const answer = await ask(wire, 'GET', '/v2/');
  const { host } = wire.origin;
  if (answer.status === 200 && isRegistry(answer)) return { scheme: 'open' };
  if (answer.status === 403) throw failure('policy', `${host} rejects requests from this address`, { status: 403 });
  const wayIn = answer.status === 401 ? wayInOf(answer) : undefined;
  if (wayIn) return wayIn;
  const said = answer.status === 401 ? 'asks for credentials in no known way' : `answers ${answer.status} at /v2/`;
  throw failure('not_a_registry', `${host} ${said}`, { status: answer.status });
}

/** Any web page returns 200, too. */
function isRegistry({ headers }: Answer): boolean {
  const isJson = /\bjson\b/i.test(headers.get('content-type') ?? '');
  return isJson || headers.get('docker-distribution-api-version') !== null;
}

/**
 * What the challenge of a 401 asks for. If it offers both schemes, a token is better, because it can do less than the
 * password.
 */
export function wayInOf({ headers }: Answer): WayIn | undefined {
  const challenges = parseChallenges(headers.get('www-authenticate') ?? '');
  const of = (scheme: string) => challenges.find((one: Challenge) => one.scheme === scheme);
  const realm = of('bearer')?.params.get('realm');
  if (realm !== undefined) return { scheme: 'bearer', realm, service: of('bearer')?.params.get('service') };
  return of('basic') && { scheme: 'basic' };
}

/** The host that would receive the credentials, if it differs from the registry's own. It may not be trusted yet. */
export function realmOf(wayIn: WayIn): string | undefined {
  return wayIn.scheme === 'bearer' ? realmHost(wayIn.realm) : undefined;
}

export type Scoped = { login: Login; scopes: string[]; pinnedRealm: string | undefined };

/** Returns a token of the registry's token service. Undefined if the service rejects the credential. */
export function tokenFor(
  wire: Wire,
  wayIn: WayIn & { scheme: 'bearer' },
  { login, scopes, pinnedRealm }: Scoped,
): Promise<Token | undefined> {
  const realm = trustedRealm(wire.origin, wayIn.realm, pinnedRealm);
  return requestToken(wire, { realm, service: wayIn.service, scopes, login });
}

/** Returns the `Authorization` header. Undefined if the token service rejects the credential. */
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

/** One challenge of a `WWW-Authenticate` header. Scheme and names are in lower case, values are unchanged. */
type Challenge = { scheme: string; params: ReadonlyMap<string, string> };

const separators = /[\s,]*/y;

const word = /[!#$%&'*+.^_`|~\w-]+/y;

const equals = /\s*=\s*/y;

const quoted = /"((?:[^"\\]|\\.)*)"/y;

/**
 * The token that Negotiate and similar schemes send instead of parameters. Only if nothing else follows before the next
 * comma.
 */
const token68 = /[ \t]+[\w.~+/-]+=*(?=\s*(?:,|$))/y;

/**
 * Parses a header as RFC 9110 defines it: several challenges in one, commas inside quotes, any case. A syntax error
 * ends the parsing; the challenges before it are kept.
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
    // Of two parameters with the same name, every reader must use the same one.
    if (current.params.has(name)) return found.slice(0, -1);
    current.params.set(name, value);
  }
}
