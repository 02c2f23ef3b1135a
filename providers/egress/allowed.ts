import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import { EgressError } from './egress-error.ts';

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
