import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { createRegistry, type RegistryOptions } from '../../../providers/registries/registry.ts';
import { registryFetch } from '../../../providers/registries/wire.ts';
import { type RegistryInput, type RegistryStandIn, startRegistry } from '../../../stand-ins/registry/stand-in.ts';

export const alice = { username: 'alice', password: 'correct-horse-battery' };
export const bob = { username: 'bob', password: 'staple-of-bob' };
export const both = ['pull', 'push'] as const;

/** Alice has all access to `team/`. Bob may pull `team/app`. */
export const users = {
  alice: {
    password: alice.password,
    identityToken: 'identity-of-alice',
    access: [{ repository: 'team/*', actions: [...both] }],
  },
  bob: { password: bob.password, access: [{ repository: 'team/app', actions: ['pull' as const] }] },
};

export function startTeamRegistry(input: RegistryInput = {}): Promise<RegistryStandIn> {
  return startRegistry({ users, ...input });
}

/** The product's client for it. `opened` are further origins that the operator allows. */
export function clientOf(registry: { url: string }, more: Partial<RegistryOptions> = {}, opened: string[] = []) {
  const allowedHosts = parseAllowedHosts([registry.url, ...opened].join(' '));
  return createRegistry({ registry: registry.url, fetch: registryFetch({ allowedHosts }), ...more });
}

/** A client with a short timeout. */
export function hasty({ url }: { url: string }) {
  return createRegistry({ registry: url, fetch: registryFetch({ allowedHosts: [{ origin: url }], timeoutMs: 500 }) });
}
