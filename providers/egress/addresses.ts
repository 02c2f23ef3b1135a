import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import { EgressError } from './egress-error.ts';

/** Azure's platform address. Only virtual machines reach it, although its range looks public. */
const platformAddresses = new Set(['168.63.129.16']);

/**
 * Whether an address belongs to the public internet. Loopback, private, link-local, carrier-grade NAT, multicast,
 * documentation and reserved ranges do not. Nor does an IPv6 address that contains an IPv4 address, except that a
 * mapped address is judged by its IPv4 address. NAT64, 6to4 and Teredo are always refused.
 */
export function isPublicAddress(address: string): boolean {
  // ipaddr.js alone would also accept `1.2.3`.
  if (isIP(address) === 0 || !ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast' || platformAddresses.has(parsed.toString())) return false;
  // IANA has assigned nothing outside 2000::/3 to the public internet.
  return parsed.kind() === 'ipv4' || (parsed.toByteArray()[0] ?? 0) >> 5 === 1;
}

/** Only `http:` and `https:` are fetched. Anything but https on port 443 needs an allowed origin. */
export function checkUrl(url: URL, allowed: AllowedHost[]): void {
  if (url.username !== '' || url.password !== '') throw refused('an address with a user name or a password in it');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused(`the scheme ${url.protocol}`);
  if (url.protocol === 'https:' && url.port === '') return;
  if (!allowsOrigin(url, allowed)) throw refused(`${url.origin}: only https on port 443 is allowed there`);
}

/** Whether the operator has allowed this host, with any address. */
export function isTrusted(url: URL, allowed: AllowedHost[]): boolean {
  const usual = url.protocol === 'https:' && url.port === '';
  return (
    allowsOrigin(url, allowed) || (usual && allowed.some((entry) => 'host' in entry && entry.host === url.hostname))
  );
}

function allowsOrigin(url: URL, allowed: AllowedHost[]): boolean {
  return allowed.some((entry) => 'origin' in entry && entry.origin === url.origin);
}

function refused(what: string): EgressError {
  return new EgressError('host_not_allowed', `Refused ${what}; FAIRLEAD_ALLOWED_HOSTS decides`, { unsent: true });
}
