import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import { EgressError } from './egress-error.ts';

/** Azure's platform address answers guests only, from a range that looks public. */
const platformAddresses = new Set(['168.63.129.16']);

/**
 * Whether an address belongs to the public internet. Loopback, private, link-local, carrier-grade NAT, multicast,
 * documentation and reserved ranges do not, nor does any IPv6 form that carries an IPv4 address inside (mapped
 * addresses are judged by what they map to; NAT64, 6to4 and Teredo are refused whatever they carry).
 */
export function isPublicAddress(address: string): boolean {
  // ipaddr.js alone would also take `1.2.3`.
  if (isIP(address) === 0 || !ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast' || platformAddresses.has(parsed.toString())) return false;
  // Outside 2000::/3 IANA has assigned nothing to the public internet.
  return parsed.kind() === 'ipv4' || (parsed.toByteArray()[0] ?? 0) >> 5 === 1;
}

/** `http:` and `https:` alone are fetched at all; anything but https on its usual port needs an origin entry. */
export function checkUrl(url: URL, allowed: AllowedHost[]): void {
  if (url.username !== '' || url.password !== '') throw refused('an address with a user name or a password in it');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused(`the scheme ${url.protocol}`);
  if (url.protocol === 'https:' && url.port === '') return;
  if (!allowsOrigin(url, allowed)) throw refused(`${url.origin}: only https on port 443 is allowed there`);
}

/** Whether the operator has opened this very host, whatever addresses it has. */
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
