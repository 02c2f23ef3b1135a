import { isIP } from 'node:net';
import type { AllowedHost } from './allowed-hosts.ts';

/**
 * Returns the origin of a Git host that a tenant names. Undefined if its form alone shows that Fairlead will not fetch
 * it: only https on port 443, and no name or address of an internal network, unless the operator allows it. The fetch
 * itself checks what the name resolves to.
 */
export function tenantHostUrl(text: string, allowed: readonly AllowedHost[]): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username || url.password || url.search || url.hash || url.pathname !== '/') return undefined;
  if (allowed.some((entry) => 'origin' in entry && entry.origin === url.origin)) return url.origin;
  if (url.protocol !== 'https:' || url.port) return undefined;
  if (allowed.some((entry) => 'host' in entry && entry.host === url.hostname)) return url.origin;
  return isInternal(url.hostname) ? undefined : url.origin;
}

function isInternal(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '');
  if (isIP(name) || name.startsWith('[') || !name.includes('.')) return true;
  return /\.(localhost|local|internal|intranet|lan|home|corp|invalid|test|example)$/.test(name);
}
