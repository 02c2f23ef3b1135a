import { type ClientRequest, request as httpRequest } from 'node:http';
import { Agent, type AgentOptions, request as httpsRequest } from 'node:https';
import { BlockList, isIP, isIPv6, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { EgressError } from './egress-error.ts';

/** The operator's proxy, as HTTPS_PROXY and NO_PROXY name it. Only config.ts reads these variables. */
export type ProxySettings = { url: string; noProxy: string };

/** Where a connection goes. The host has no brackets. */
export type Destination = { host: string; port: number };

/** Messages name the setting and never the proxy's address, because tenants see them. */
const name = 'the proxy of HTTPS_PROXY';

const connectMs = 30_000;

/**
 * Whether the connection goes through the proxy. Loopback never does, nor what NO_PROXY lists: names with the names
 * below them, addresses, networks such as `10.0.0.0/8`, each also with a port, or `*` for everything.
 */
export function usesProxy({ noProxy }: ProxySettings, { host, port }: Destination): boolean {
  const wanted = host.toLowerCase();
  if (isLoopback(wanted)) return false;
  return !noProxy
    .toLowerCase()
    .split(/[,\s]+/)
    .some((entry) => excludes(entry, wanted, port));
}

function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host.endsWith('.localhost') || host === '::1' || (isIP(host) === 4 && /^127\./.test(host))
  );
}

function excludes(entry: string, host: string, port: number): boolean {
  if (entry === '') return false;
  if (entry === '*') return true;
  const [, bracketed, plain = entry, only] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
  if (only !== undefined && Number(only) !== port) return false;
  const pattern = bracketed ?? plain;
  if (isIP(host) !== 0) return pattern === host || isWithin(host, pattern);
  const suffix = pattern.replace(/^\*?\./, '');
  return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`));
}

function isWithin(address: string, network: string): boolean {
  const [, base = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(network) ?? [];
  const family = isIP(base);
  if (family === 0 || Number(bits) > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/**
 * Returns a connection through the proxy. The proxy learns this host and port, and resolves the host if it is a name.
 * Rejects with an `EgressError` that never contains the proxy's address or credentials.
 */
export function openTunnel(
  { url }: ProxySettings,
  { host, port }: Destination,
  { ca, timeoutMs = connectMs }: { ca?: string[] | undefined; timeoutMs?: number } = {},
): Promise<Socket> {
  const proxy = new URL(url);
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const send = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const asked: ClientRequest = send({
      method: 'CONNECT',
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      path: authority,
      headers: { host: authority, ...credentialsOf(proxy) },
      agent: false,
      ...(ca && { ca }),
    });
    const timer = setTimeout(() => asked.destroy(failed('ETIMEDOUT')), timeoutMs);
    asked.once('connect', ({ statusCode = 0 }, socket) => {
      clearTimeout(timer);
      if (statusCode >= 200 && statusCode < 300) resolve(socket as Socket);
      else {
        socket.destroy();
        reject(refusal(statusCode));
      }
    });
    // A response without CONNECT's meaning comes from something that is no proxy.
    asked.once('response', ({ statusCode = 0 }) => asked.destroy(refusal(statusCode)));
    asked.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(error instanceof EgressError ? error : failed(error.code));
    });
    asked.end();
  });
}

function credentialsOf({ username, password }: URL): { 'proxy-authorization'?: string } {
  if (username === '' && password === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` };
}

/** The reason is not passed on, because it is about the proxy and not about the host. */
function failed(code: string | undefined): EgressError {
  return new EgressError('unreachable', `Could not connect to ${name}${code ? ` (${code})` : ''}`, { unsent: true });
}

function refusal(status: number): EgressError {
  const why = status === 407 ? 'does not accept the credentials in HTTPS_PROXY' : 'refused the connection';
  return new EgressError('unreachable', `The connection was not made: ${name} ${why} (${status})`, { unsent: true });
}

/**
 * Returns an agent for libraries that bring their own HTTP client. It connects through the proxy to the name of the
 * host, so use it only for hosts that no tenant chooses.
 */
export function httpsAgent(options: AgentOptions & { ca?: string[] }, proxy?: ProxySettings): Agent {
  return proxy ? new ProxiedAgent(options, proxy) : new Agent(options);
}

class ProxiedAgent extends Agent {
  readonly #proxy: ProxySettings;
  readonly #ca: { ca?: string[] };

  constructor(options: AgentOptions & { ca?: string[] }, proxy: ProxySettings) {
    super(options);
    this.#proxy = proxy;
    this.#ca = options.ca ? { ca: options.ca } : {};
  }

  override createConnection(
    ...[options, callback]: Parameters<Agent['createConnection']>
  ): ReturnType<Agent['createConnection']> {
    const { host, port } = options as { host?: string | null; port?: number | string | null };
    const to = { host: host ?? '', port: Number(port) };
    if (!usesProxy(this.#proxy, to)) return super.createConnection(options, callback);
    openTunnel(this.#proxy, to, this.#ca).then(
      (socket) => callback?.(null, connectTls({ ...options, socket } as ConnectionOptions)),
      (error: Error) => callback?.(error, undefined as never),
    );
    return undefined;
  }
}
