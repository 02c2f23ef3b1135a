import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

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
