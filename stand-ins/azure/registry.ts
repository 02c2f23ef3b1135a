import { randomBytes } from 'node:crypto';
import { decodeJwt, jwtVerify, SignJWT } from 'jose';
import type { CloudAnswer, CloudRequest } from '../cloud-server.ts';
import type { RegistryUser } from '../registry/access.ts';
import type { Action, Registry, State } from './state.ts';

const key = randomBytes(32);

function refused(status: number, code: string, message: string): CloudAnswer {
  return { status, body: { errors: [{ code, message }] } };
}

const unauthorized = refused(401, 'UNAUTHORIZED', 'authentication required');

/** https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md */
export async function exchange(state: State, { form }: CloudRequest, now: number): Promise<CloudAnswer> {
  const host = form.get('service') ?? '';
  const registry = state.registries.get(host);
  if (!registry) return refused(404, 'NOT_FOUND', 'no such registry');
  if (!registry.letsIn) return refused(403, 'DENIED', `client with IP '192.0.2.7' is not allowed access.`);
  const held = state.tokens.get(form.get('access_token') ?? '');
  if (!held || held.expiresAt <= now || held.tenantId !== registry.tenantId) return unauthorized;
  const isArm = held.audience.startsWith('https://management.');
  if (isArm && !registry.takesArmTokens) return unauthorized;
  if (!isArm && held.audience !== 'https://containerregistry.azure.net') return unauthorized;
  const hasRole = registry.abac ? registry.repositoryRoles.has(held.clientId) : registry.roles.has(held.clientId);
  if (!hasRole) return unauthorized;
  const refreshToken = await sign({ sub: held.clientId, grant_type: 'refresh_token' }, host, now, state.lives.refresh);
  state.made.add(refreshToken);
  return { status: 200, body: { refresh_token: refreshToken } };
}

/** Grants the part of each scope that the roles allow, and does not report the rest. */
export async function token(state: State, { form }: CloudRequest, now: number): Promise<CloudAnswer> {
  const host = form.get('service') ?? '';
  const registry = state.registries.get(host);
  if (!registry) return refused(404, 'NOT_FOUND', 'no such registry');
  const clientId = await clientOf(form.get('refresh_token') ?? '', host, now);
  if (clientId === undefined) return unauthorized;
  const access = form.getAll('scope').map((scope) => {
    const [, name = '', asked = ''] = /^repository:([a-z0-9._/-]+):([a-z,_*]+)$/.exec(scope) ?? [];
    const allowed: string[] = rolesOf(registry, clientId, name);
    return { type: 'repository', name, actions: asked.split(',').filter((action) => allowed.includes(action)) };
  });
  const claims = { sub: clientId, grant_type: 'access_token', access };
  const accessToken = await sign(claims, host, now, state.lives.access);
  state.made.add(accessToken);
  return { status: 200, body: { access_token: accessToken } };
}

function rolesOf(registry: Registry, clientId: string, repository: string): Action[] {
  if (!registry.abac) return registry.roles.get(clientId) ?? [];
  return registry.repositoryRoles.get(clientId)?.get(repository) ?? [];
}

async function sign(claims: Record<string, unknown>, host: string, now: number, seconds: number): Promise<string> {
  const at = Math.floor(now / 1000);
  const token = new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setAudience(host).setIssuedAt(at);
  return token.setExpirationTime(at + seconds).sign(key);
}

async function clientOf(refreshToken: string, host: string, now: number): Promise<string | undefined> {
  try {
    const { payload } = await jwtVerify(refreshToken, key, { audience: host, currentDate: new Date(now) });
    return payload['grant_type'] === 'refresh_token' ? payload.sub : undefined;
  } catch {
    return undefined;
  }
}

/** This registry accepts its own tokens. It allows what the token says, or what the roles of the token's app allow. */
export function userOfRegistry(state: State, host: string, now: () => number) {
  return (username: string, password: string): RegistryUser | undefined => {
    const registry = state.registries.get(host);
    if (!registry || username !== nobody || !state.made.has(password)) return undefined;
    const { sub = '', aud, exp = 0, grant_type: kind, access: granted } = decodeJwt(password);
    if (aud !== host || exp * 1000 <= now()) return undefined;
    if (kind === 'refresh_token') {
      return { password, access: [{ repository: '*', actions: registry.roles.get(sub) ?? [] }] };
    }
    const entries = granted as { name: string; actions: Action[] }[];
    return { password, access: entries.map(({ name, actions }) => ({ repository: name, actions })) };
  };
}

/** The user name of every login with a token from Entra. */
const nobody = '00000000-0000-0000-0000-000000000000';
