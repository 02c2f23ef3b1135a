/**
 * Internal-looking addresses that the operator opens to tenants. A host entry (`git.internal`) opens that name on
 * https, port 443. An origin entry (`http://127.0.0.1:4010`) opens exactly that scheme, host and port, and is the only
 * way to plain HTTP or another port.
 */
export type AllowedHost = { host: string } | { origin: string };

/**
 * Parses entries that are separated by commas or white space. Throws a readable error that names every invalid entry.
 */
export function parseAllowedHosts(text: string): AllowedHost[] {
  const allowed: AllowedHost[] = [];
  const wrong: string[] = [];
  for (const entry of text.split(/[\s,]+/).filter(Boolean)) {
    const parsed = toAllowedHost(entry);
    if (parsed) allowed.push(parsed);
    else wrong.push(JSON.stringify(entry));
  }
  if (wrong.length === 0) return allowed;
  throw new Error(`Not a host (git.internal) or an origin (http://127.0.0.1:4010): ${wrong.join(', ')}`);
}

function toAllowedHost(entry: string): AllowedHost | undefined {
  const isOrigin = /^https?:\/\//i.test(entry);
  const text = isOrigin ? entry : `https://${entry}`;
  if (!URL.canParse(text)) return undefined;

  const url = new URL(text);
  // A path, user or query would be ignored silently, so it is rejected.
  if (url.href !== `${url.origin}/` || url.hostname.includes('*')) return undefined;
  if (isOrigin) return { origin: url.origin };
  return hasPort(entry) ? undefined : { host: url.hostname };
}

/** `:443` counts too, although URL drops it: a port makes the entry an origin. */
function hasPort(entry: string): boolean {
  return /:\d*$/.test(entry.startsWith('[') ? entry.slice(entry.indexOf(']') + 1) : entry);
}
