import { createPrivateKey, createSign, createVerify, randomBytes } from 'node:crypto';
import { type Call, type Caller, Refused } from '../answers.ts';
import { keysOf } from '../credentials.ts';
import type { App, Installation, Permissions, Repository, State, Token } from '../state.ts';

export type TokenFormat = 'classic' | 'stateless';

const hour = 3_600_000;
const texts = {
  undecodable: 'A JSON web token could not be decoded',
  expired:
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
  tooFar: "'Expiration time' claim ('exp') is too far in the future",
  issuedAt: "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
};

/** Returns the App whose key signed the request's JWT. The messages are GitHub's. */
export function requireApp({ state, headers }: Call): App {
  const jwt = /^(?:bearer|token) (.+)$/i.exec(headers.authorization ?? '')?.[1];
  if (!jwt) throw new Refused(401, texts.undecodable);
  const [head = '', payload = '', signature = ''] = jwt.split('.');
  const header = parse(head);
  const claims = parse(payload);
  if (header?.['alg'] !== 'RS256' || !claims) throw new Refused(401, texts.undecodable);

  const issuer = String(claims['iss']);
  const app = [...state.apps.values()].find(({ appId, clientId }) => String(appId) === issuer || clientId === issuer);
  if (!app) throw new Refused(404, 'Integration not found');
  const isSigned = keysOf(app).some((key) =>
    createVerify('RSA-SHA256').update(`${head}.${payload}`).verify(key, signature, 'base64url'),
  );
  if (!isSigned) throw new Refused(401, texts.undecodable);

  const now = Math.floor(state.now() / 1000);
  const { exp, iat } = claims;
  if (typeof iat !== 'number' || !Number.isInteger(iat) || iat > now) throw new Refused(401, texts.issuedAt);
  if (typeof exp !== 'number' || exp <= now) throw new Refused(401, texts.expired);
  if (exp - iat > 600 || exp > now + 600) throw new Refused(401, texts.tooFar);
  return app;
}

function parse(part: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Returns the owner of a valid installation token. */
export function requireInstallation({ state, headers }: Call): Caller {
  const value = /^(?:bearer|token) (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
  const token = state.tokens.get(value);
  const installation = token && state.installations.get(token.installationId);
  const app = token && state.apps.get(token.appId);
  if (!token || !installation || !app || token.revoked || token.expiresAt <= state.now()) {
    throw new Refused(401, value ? 'Bad credentials' : 'Requires authentication');
  }
  if (installation.suspendedAt) throw new Refused(403, 'This installation has been suspended');
  return { app, installation, token };
}

/** Returns the repository if the caller's token reaches it with the permission, such as `actions:write`. */
export function requireRepository(call: Call, permission: string): { repository: Repository; caller: Caller } {
  const caller = requireInstallation(call);
  const fullName = `${call.params['owner']}/${call.params['repo']}`.toLowerCase();
  const repositories = [...call.state.repositories.values()];
  const repository = repositories.find((one) => one.fullName.toLowerCase() === fullName);
  if (!repository || !reaches(caller, repository)) throw new Refused(404, 'Not Found');
  requirePermission(caller, permission);
  return { repository, caller };
}

export function reaches({ installation, token }: Caller, repository: Repository): boolean {
  const within = token.repositoryIds === undefined || token.repositoryIds.includes(repository.id);
  return within && installation.repositoryIds.has(repository.id);
}

function requirePermission({ token }: Caller, permission: string): void {
  const [name = '', level = ''] = permission.split(':');
  if (!grants(token.permissions, name, level)) throw new Refused(403, 'Resource not accessible by integration');
}

const ranks: Record<string, number> = { none: 0, read: 1, write: 2, admin: 3 };

export function grants(granted: Permissions, name: string, level: string): boolean {
  return (ranks[granted[name] ?? 'none'] ?? 0) >= (ranks[level] ?? 9);
}

export function mintToken(
  state: State,
  format: TokenFormat,
  app: App,
  installation: Installation,
  narrowed: { repositoryIds?: number[]; permissions?: Permissions },
): Token {
  const expiresAt = Math.floor((state.now() + hour) / 1000) * 1000;
  const token: Token = {
    token: format === 'classic' ? classic() : stateless(app, installation, expiresAt),
    appId: app.appId,
    installationId: installation.id,
    repositoryIds: narrowed.repositoryIds,
    permissions: narrowed.permissions ? { metadata: 'read', ...narrowed.permissions } : { ...installation.permissions },
    expiresAt,
    revoked: false,
  };
  state.tokens.set(token.token, token);
  return token;
}

function classic(): string {
  return `ghs_${randomBytes(27).toString('base64url').replaceAll(/[-_]/g, 'x')}`;
}

/** Returns `ghs_APPID_<JWT>`, about 400 characters. It is signed with the App's key, which the stand-in has. */
function stateless(app: App, installation: Installation, expiresAt: number): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const id = randomBytes(8).toString('hex');
  const content = `${part({ alg: 'ES256', typ: 'JWT' })}.${part({ jti: id, sub: installation.id, exp: expiresAt / 1000 })}`;
  const signature = createSign('RSA-SHA256').update(content).sign(createPrivateKey(app.privateKey), 'base64url');
  return `ghs_${app.appId}_${content}.${signature}`;
}
