import { ProviderError } from '../failure.ts';
import type { Wire } from './client.ts';
import { type Call, failureOf, silenceOf } from './failures.ts';
import { throughGate } from './gate.ts';

/** A server's answer has a few hundred bytes, and the host is still unknown. */
const mostBytes = 64 * 1024;

const versionHeader = 'x-github-enterprise-version';

/**
 * Returns the version of an Enterprise Server, from its public metadata. Undefined for github.com, which has no
 * version, and for a host that hides it.
 */
export async function serverVersion(wire: Wire): Promise<string | undefined> {
  const call: Call = { as: 'nobody', method: 'GET', secrets: [], now: wire.now };
  let answer: { status: number; headers: Record<string, string>; body: Meta | undefined };
  try {
    const leaving = { effect: 'read', urgent: wire.urgent } as const;
    const response = await throughGate(wire, leaving, `${wire.host.api}/meta`, {
      headers: { accept: 'application/vnd.github+json', 'user-agent': wire.userAgent },
      maxBytes: mostBytes,
    });
    const { status, headers } = response;
    answer = { status, headers: Object.fromEntries(headers), body: parse(await response.text()) };
  } catch (error) {
    throw error instanceof ProviderError ? error : silenceOf(error, call);
  }
  const { status, headers, body } = answer;
  // In private mode it requires a sign-in, but still returns its version.
  const said = versionIn(headers[versionHeader]) ?? versionIn(body?.installed_version);
  if (said !== undefined || status === 401 || status === 403) return said;
  if (status >= 500 || status === 429) throw failureOf({ status, headers, message: '' }, call);
  if (status === 200 && typeof body?.verifiable_password_authentication === 'boolean') return undefined;
  throw new ProviderError({
    provider: 'github',
    code: 'unexpected',
    status,
    message: `${new URL(wire.host.api).host} does not answer as a GitHub does`,
  });
}

/** Keeps digits only, and nothing else that the host sends. */
function versionIn(text: unknown): string | undefined {
  return typeof text === 'string' ? /\d{1,4}\.\d{1,4}(?:\.\d{1,6})?/.exec(text.slice(0, 100))?.[0] : undefined;
}

type Meta = { installed_version?: unknown; verifiable_password_authentication?: unknown };

function parse(text: string): Meta | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null ? body : undefined;
  } catch {
    return undefined;
  }
}
