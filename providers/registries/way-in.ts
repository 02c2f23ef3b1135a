import { type Challenge, parseChallenges } from './challenge.ts';
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
