import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { buildConnector } from 'undici';
import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import { isPublicAddress, isTrusted } from './addresses.ts';
import { EgressError } from './egress-error.ts';
import { openTunnel, type ProxySettings, usesProxy } from './proxy.ts';

/** Returns every address of a name, in the order in which they should be tried. */
export type Resolve = (hostname: string) => Promise<string[]>;

export const resolveByDns: Resolve = async (hostname) =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

/**
 * Connects to a checked address instead of a checked name, which prevents DNS rebinding. The name is resolved once. All
 * of its addresses must be public, unless the operator has allowed the host, and one of them is dialled. TLS still
 * sends and verifies the name. Node's own `lookup` option does not help: it is never called for an address in numbers.
 *
 * With a proxy, the same is true: the proxy is asked for the checked address and not for the name. Only for a host that
 * the operator has allowed it is asked for the name, so that it can apply its own list of names and its own DNS.
 */
export function pinnedConnector(
  allowed: AllowedHost[],
  resolve: Resolve,
  options: { ca?: string[]; timeout: number },
  proxy?: ProxySettings,
): buildConnector.connector {
  const connect = buildConnector(options);

  return (target, callback) => {
    const url = new URL(`${target.protocol}//${target.host ?? target.hostname}`);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const to = { host, port: Number(url.port) || 443 };
    const tunneled = proxy && url.protocol === 'https:' && usesProxy(proxy, to) ? proxy : undefined;
    const trusted = isTrusted(url, allowed);
    const found = tunneled && trusted ? Promise.resolve([host]) : addressesOf(target.hostname, trusted, resolve);
    found.then(
      (addresses) => dial(addresses),
      (error: Error) => callback(error, null),
    );

    function dial([address = '', ...others]: string[]): void {
      const pinned = { ...target, hostname: address };
      const named = isIP(host) ? pinned : { ...pinned, servername: target.hostname };
      function done(...[error, socket]: Parameters<buildConnector.Callback>): void {
        if (!error) callback(null, socket);
        else if (others.length > 0) dial(others);
        else callback(unreachable(url.hostname, error), null);
      }
      if (!tunneled) {
        connect(named, done);
        return;
      }
      openTunnel(tunneled, { host: address, port: to.port }, { ca: options.ca, timeoutMs: options.timeout }).then(
        (httpSocket) => connect({ ...named, httpSocket }, done),
        (error: Error) => done(error, null),
      );
    }
  };
}

async function addressesOf(hostname: string, trusted: boolean, resolve: Resolve): Promise<string[]> {
  const addresses = isIP(hostname) ? [hostname] : await resolveOnce(hostname, resolve);
  if (trusted || addresses.every(isPublicAddress)) return addresses;
  throw new EgressError(
    'host_not_allowed',
    `Refused ${hostname}: it has an address that is not public; FAIRLEAD_ALLOWED_HOSTS can open it`,
    { unsent: true },
  );
}

async function resolveOnce(hostname: string, resolve: Resolve): Promise<string[]> {
  let addresses: string[];
  try {
    addresses = await resolve(hostname);
  } catch (error) {
    throw unreachable(hostname, error);
  }
  if (addresses.length === 0) throw unreachable(hostname, undefined);
  return addresses;
}

function unreachable(hostname: string, error: unknown): EgressError {
  if (error instanceof EgressError) return error;
  const reason = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  const told = reason === undefined ? '' : ` (${reason})`;
  return new EgressError('unreachable', `Could not connect to ${hostname}${told}`, {
    unsent: true,
    ...(reason !== undefined && { reason }),
  });
}
