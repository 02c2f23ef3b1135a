import { fieldOf, jsonIn } from './wire.ts';

/** The actions by repository of a token that can be read. It is not verified: the registry does that. */
export function accessIn(token: string): Map<string, string[]> | undefined {
  const payload = token.split('.')[1];
  const access = payload && fieldOf(jsonIn(Buffer.from(payload, 'base64url').toString('utf8')), 'access');
  if (!Array.isArray(access)) return undefined;
  const found = new Map<string, string[]>();
  for (const one of access) {
    const [type, name, actions] = ['type', 'name', 'actions'].map((field) => fieldOf(one, field));
    if (type !== 'repository' || typeof name !== 'string' || !Array.isArray(actions)) continue;
    const all = actions.includes('*') ? ['pull', 'push'] : [];
    found.set(name, [...(found.get(name) ?? []), ...all, ...actions.filter((action) => typeof action === 'string')]);
  }
  return found;
}
