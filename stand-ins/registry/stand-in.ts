import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type AccessSettings, type Action, createAccess, type RegistryUser } from './access.ts';
import { createRegistryFaults, type RegistryFault } from './faults.ts';
import { answerForImages, type Images, type Reply, refusal } from './images.ts';

export type RegistrySettings = AccessSettings & {
  /** How it refuses: distribution with 401, most services with 403. */
  denial: 401 | 403;
  /** The token service that it names. If it is empty, it names its own. */
  realm: string;
  /** The whole challenge, if it is not the usual one. */
  challenge: string | undefined;
  /** When it checks whether an object exists: `first`, after it has `asked` for a login, or after everything else. */
  looks: 'first' | 'asked' | 'last';
};

export type RegistryInput = Partial<Omit<RegistrySettings, 'users'>> & {
  users?: Record<string, RegistryUser>;
  port?: number;
  /** PEM. Without it, the server uses plain http. */
  certificate?: { cert: string; key: string };
};

export type RegistryLedgerEntry = {
  method: string;
  path: string;
  query: string;
  authorization: string | undefined;
  body: string;
  /** 0 if no response was sent. */
  status: number;
};

export type RegistryStandIn = Awaited<ReturnType<typeof startRegistry>>;

/**
 * A small registry in memory with its own token service. It accepts pushes and pulls like a real one. Tests can change
 * `settings` while it runs. `ledger` lists the requests, and `fail` adds a fault.
 */
export async function startRegistry(input: RegistryInput = {}) {
  const { users = {}, port = 0, certificate, ...given } = input;
  const settings: RegistrySettings = {
    auth: 'bearer',
    tokens: 'jwt',
    tokenSeconds: 300,
    denial: 401,
    realm: '',
    challenge: undefined,
    looks: 'last',
    ...given,
    users: new Map(Object.entries(users)),
  };
  const access = createAccess(settings);
  const faults = createRegistryFaults();
  const images: Images = { repositories: new Map(), uploads: new Map() };
  const ledger: RegistryLedgerEntry[] = [];

  const serve = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500).end(String(error));
    });
  };
  const server = certificate ? createSecureServer(certificate, serve) : createServer(serve);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const url = `${certificate ? 'https' : 'http'}://${host}`;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', url);
    const method = request.method ?? 'GET';
    const body = await readAll(request);
    const { authorization } = request.headers;
    const entry = {
      method,
      path: pathname,
      query: searchParams.toString(),
      authorization,
      body: String(body),
      status: 0,
    };
    ledger.push(entry);

    const fault = faults.take(method, pathname);
    if (fault && (await spoil(fault, request, response))) return;
    const type = request.headers['content-type'] ?? '';
    const reply = fault
      ? {
          status: fault.status ?? 500,
          ...(fault.headers && { headers: fault.headers }),
          body: Buffer.from(fault.body ?? ''),
        }
      : answer({ method, path: pathname, query: searchParams, authorization, body, type });
    entry.status = reply.status;
    if (!fault) response.setHeader('docker-distribution-api-version', 'registry/2.0');
    send(response, method, reply);
  }

  type Asked = {
    method: string;
    path: string;
    query: URLSearchParams;
    authorization: string | undefined;
    body: Buffer;
    type: string;
  };

  function answer(asked: Asked): Reply {
    if (asked.path === '/token') return tokenFor(asked);
    const grant = access.grantOf(asked.authorization);
    if (asked.path === '/v2/' || asked.path === '/v2') return grant ? { status: 200, body: {} } : challenge();
    const [, name = '', rest = ''] = /^\/v2\/(.+)\/((?:manifests|blobs|tags)\/.*)$/.exec(asked.path) ?? [];
    if (name === '') return refusal(404, 'UNSUPPORTED', 'There is no such thing here');
    const action: Action = asked.method === 'GET' || asked.method === 'HEAD' ? 'pull' : 'push';
    const perform = () => answerForImages(images, name, { ...asked, rest });
    const isProbe = asked.method !== 'PUT' && asked.method !== 'POST';
    const looked =
      isProbe && settings.looks !== 'last' && (grant || settings.looks === 'first') ? perform() : undefined;
    if (looked?.status === 404) return looked;
    const scope = `repository:${name}:${action === 'push' ? 'pull,push' : 'pull'}`;
    if (!grant) return challenge(scope);
    if (grant.may(name, action)) return perform();
    const code = settings.denial === 401 ? 'UNAUTHORIZED' : 'DENIED';
    return refusal(settings.denial, code, 'not allowed', challengeHeader(scope));
  }

  function challenge(scope?: string): Reply {
    return refusal(401, 'UNAUTHORIZED', 'authentication required', challengeHeader(scope));
  }

  function challengeHeader(scope?: string): Record<string, string> {
    const realm = settings.realm === '' ? `${url}/token` : settings.realm;
    const bearer = `Bearer realm="${realm}",service="stand-in"${scope === undefined ? '' : `,scope="${scope}"`}`;
    return {
      'www-authenticate': settings.challenge ?? (settings.auth === 'basic' ? 'Basic realm="stand-in"' : bearer),
    };
  }

  /** GET with a password, or POST with a form and an identity token. */
  function tokenFor({ method, query, authorization, body }: Asked): Reply {
    const form = method === 'POST' ? new URLSearchParams(String(body)) : query;
    const user =
      method === 'POST' ? access.userOfIdentityToken(form.get('refresh_token') ?? '') : access.userOf(authorization);
    if (!user) return refusal(401, 'UNAUTHORIZED', 'incorrect username or password');
    return {
      status: 200,
      body: access.issue(
        user,
        form.getAll('scope').flatMap((scope) => scope.split(' ')),
      ),
    };
  }

  return {
    url,
    host,
    settings,
    images,
    ledger,
    fail: (fault: RegistryFault) => faults.add(fault),
    heal: () => faults.clear(),
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Returns whether the fault has responded or left the request without a response. */
async function spoil({ kind }: RegistryFault, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  if (kind === 'reset') request.socket.destroy();
  if (kind === 'huge') {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = Buffer.alloc(16 * 1024, ' ');
    while (!response.destroyed && !response.socket?.destroyed) {
      response.write(more);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return kind !== 'answer';
}

function send(response: ServerResponse, method: string, { status, headers = {}, body }: Reply): void {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body === undefined ? '' : JSON.stringify(body));
  response.writeHead(status, {
    'content-type': Buffer.isBuffer(body) ? 'application/octet-stream' : 'application/json; charset=utf-8',
    'content-length': bytes.length,
    ...headers,
  });
  response.end(method === 'HEAD' ? undefined : bytes);
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
