import { objectIn } from '../watched-fetch.ts';

/** Of a token from a registry itself over TLS: nobody's signature needs checking. */
export function claimsOf(token: string): Record<string, unknown> {
  return objectIn(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}

/** What a scoped token is for, by repository. */
export function grantedBy(token: string): (repository: string) => Set<string> {
  const { access } = claimsOf(token);
  const entries: unknown[] = Array.isArray(access) ? access : [];
  return (repository) => {
    const granted = new Set<string>();
    for (const entry of entries) {
      const { type, name, actions } = (entry ?? {}) as Record<string, unknown>;
      if (type !== 'repository' || name !== repository || !Array.isArray(actions)) continue;
      for (const action of actions) granted.add(String(action));
    }
    return granted.has('*') ? new Set(['pull', 'push']) : granted;
  };
}
