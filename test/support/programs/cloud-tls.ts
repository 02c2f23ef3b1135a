import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { createGuardedFetch, type Fetch } from '../../../providers/egress/guarded-fetch.ts';

const file = (name: string) => fileURLToPath(new URL(`../tls/${name}.pem`, import.meta.url));

/** A certificate for `localhost`, for the stand-ins of clouds. No process trusts it by default. */
export const loopbackCertificate = {
  cert: readFileSync(file('loopback'), 'utf8'),
  key: readFileSync(file('loopback-key'), 'utf8'),
};

/** The CA file that makes a process trust that certificate. */
export const loopbackCaFile = file('loopback');

/** The product's own fetch, with access to one internal address with that certificate. */
export function fetchTo(url: string, { timeoutMs = 5000, maxBytes = 100_000 } = {}): Fetch {
  return createGuardedFetch({ allowedHosts: parseAllowedHosts(url), caFile: loopbackCaFile, timeoutMs, maxBytes });
}
