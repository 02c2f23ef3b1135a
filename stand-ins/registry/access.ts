import { createHmac, randomBytes } from 'node:crypto';

export type Action = 'pull' | 'push';

/** `*` in a repository matches any text. */
export type RegistryUser = {
  password: string;
  /** A token that the token service accepts instead of the password. */
  identityToken?: string;
  access: { repository: string; actions: Action[] }[];
};

export type AccessSettings = {
  /** The users by name. */
  users: Map<string, RegistryUser>;
  /** Finds users that are not in `users`, such as the tokens that a cloud makes for its registries. */
  userOf?: (username: string, password: string) => RegistryUser | undefined;
  /** `open` lets everyone do everything. */
  auth: 'open' | 'basic' | 'bearer';
  /** `jwt` tokens show their access to the reader, and `opaque` tokens do not. */
  tokens: 'jwt' | 'opaque';
  tokenSeconds: number;
};

type Grant = { may(repository: string, action: Action): boolean; expiresAt: number };

/** Returns the caller's access, or `undefined` if the credential is unknown. */
export function createAccess(settings: AccessSettings) {
  const key = randomBytes(32);
  const grants = new Map<string, Grant>();

  function userOf(authorization: string | undefined): RegistryUser | undefined {
    const encoded = /^Basic (.+)$/i.exec(authorization ?? '')?.[1];
    if (encoded === undefined) return undefined;
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon < 0) return undefined;
    const [name, password] = [text.slice(0, colon), text.slice(colon + 1)];
    const user = settings.users.get(name);
    return user?.password === password ? user : settings.userOf?.(name, password);
  }

  return {
    userOf,
    userOfIdentityToken: (token: string) => [...settings.users.values()].find((one) => one.identityToken === token),

    grantOf(authorization: string | undefined): Grant | undefined {
      if (settings.auth === 'open') return { may: () => true, expiresAt: Number.POSITIVE_INFINITY };
      if (settings.auth === 'basic') {
        const user = userOf(authorization);
        return user && { may: (repository, action) => mayUser(user, repository, action), expiresAt: 0 };
      }
      const grant = grants.get(/^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? '');
      return grant && grant.expiresAt > Date.now() ? grant : undefined;
    },

    /** Grants as much of the scopes as the user has. Getting less than requested is no error. */
    issue(user: RegistryUser, scopes: string[]): { token: string; expires_in: number } {
      const access = scopes.flatMap((scope) => {
        const [, name = '', actions = ''] = /^repository:([^:]+):([a-z,*]+)$/.exec(scope) ?? [];
        const allowed = actions.split(',').filter((action) => mayUser(user, name, action as Action));
        return allowed.length > 0 ? [{ type: 'repository', name, actions: allowed }] : [];
      });
      const token = settings.tokens === 'opaque' ? randomBytes(24).toString('base64url') : signed(key, access);
      grants.set(token, {
        may: (repository, action) =>
          access.some(({ name, actions }) => name === repository && actions.includes(action)),
        expiresAt: Date.now() + settings.tokenSeconds * 1000,
      });
      return { token, expires_in: settings.tokenSeconds };
    },
  };
}

function mayUser({ access }: RegistryUser, repository: string, action: Action): boolean {
  return access.some((one) => matches(one.repository, repository) && one.actions.includes(action));
}

function matches(pattern: string, repository: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(repository);
}

function signed(key: Buffer, access: unknown): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ access, jti: randomBytes(8).toString('hex') })}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}
