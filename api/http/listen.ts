import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { catalogue, Problem, problemDocument } from './problems.ts';

export class ListenError extends Error {
  override name = 'ListenError';
  /** The system's error code, such as `EADDRINUSE`. */
  readonly reason: string | undefined;

  constructor(message: string, reason?: string) {
    super(message);
    this.reason = reason;
  }
}

/** The settings that the messages name. */
type Names = { host: string; port: string };

const usualNames: Names = { host: 'FAIRLEAD_HOST', port: 'FAIRLEAD_PORT' };

export type Listening = {
  port: number;
  /** Starts to serve requests. The port is bound from the beginning, and until this call every request gets a 503. */
  serve(listener: RequestListener): void;
  /** Accepts no new connections, and waits at most `limitMs` for the requests in flight. */
  stop(limitMs: number): Promise<void>;
};

const idleCheckMs = 100;

const starting: RequestListener = (_, response) => {
  const advice = 'Fairlead is still starting. Send the request again in a second.';
  refuse(response, new Problem('unavailable', advice, { headers: { 'retry-after': '1' } }));
};

function refuse(response: ServerResponse, problem: Problem): void {
  const { status, headers, body } = plainResponse(problem);
  response.writeHead(status, headers).end(body);
}

/** Binds the address before anything else starts, so that a port conflict is reported immediately. */
export async function listen({
  host,
  port,
  names = usualNames,
}: {
  host: string;
  port: number;
  names?: Names;
}): Promise<Listening> {
  let current = starting;
  let stopping = false;
  const receive: RequestListener = (request, response) => {
    if (stopping) response.setHeader('connection', 'close');
    if (request.httpVersion === '1.1' && !request.headers.host) refuse(response, hostMissing);
    else current(request, response);
  };
  // Without this, Node would refuse a missing `Host` with an empty response.
  const server = createServer({ requireHostHeader: false }, receive);
  // An unknown `Expect` is ignored, as RFC 9110 allows.
  server.on('checkExpectation', receive);
  refuseBrokenRequests(server);
  // A body of 25 MB can be slow. Headers must not be.
  server.headersTimeout = 15_000;
  server.requestTimeout = 120_000;
  server.keepAliveTimeout = 65_000;
  server.maxConnections = 10_000;

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, { host, port, names })));
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    serve(listener) {
      current = listener;
    },
    async stop(limitMs) {
      stopping = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      // Clients keep recently used connections alive, which would delay the stop.
      const idle = setInterval(() => server.closeIdleConnections(), idleCheckMs);
      const force = setTimeout(() => server.closeAllConnections(), limitMs);
      await closed;
      clearInterval(idle);
      clearTimeout(force);
    },
  };
}

function explain(
  error: NodeJS.ErrnoException,
  { host, port, names }: { host: string; port: number; names: Names },
): Error {
  const { code } = error;
  if (code === 'EADDRINUSE') {
    return new ListenError(`Port ${port} is taken: stop what listens there, or set ${names.port}`, code);
  }
  if (code === 'EACCES') {
    return new ListenError(`Port ${port} may not be used by this user: set ${names.port} to one above 1023`, code);
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new ListenError(`${host} is no address of this machine: set ${names.host}`, code);
  }
  return error;
}

/**
 * Returns a problem for what Node's parser cannot read: malformed HTTP, headers that are too large, and a request that
 * does not end. Without this, Node would close the connection with an empty response.
 */
export function refuseBrokenRequests(server: Server): void {
  const responses = new WeakMap<object, ServerResponse>();
  server.prependListener('request', (request, response) => responses.set(request.socket, response));
  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    const socket = stream as Socket;
    // Nothing can replace a response that has begun.
    const current = responses.get(socket);
    const isBusy = current?.headersSent && !current.writableFinished;
    if (error.code === 'ECONNRESET' || !socket.writable || isBusy) socket.destroy();
    else socket.end(responseTo(error.code));
  });
}

/** HTTP/1.1 requires `Host`. */
const hostMissing = new Problem('invalid_request', 'Send a `Host` header.');

function problemFor(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') return new Problem('headers_too_large', 'Send headers of at most 16 KiB.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Problem('request_timeout', 'Send the headers within 15 seconds, and the body within 2 minutes.');
  }
  return new Problem('invalid_request', 'Send a valid HTTP/1.1 request.');
}

function responseTo(code: string | undefined): string {
  const problem = problemFor(code);
  const { status } = catalogue[problem.code];
  const { headers, body } = plainResponse(problem);
  const lines = Object.entries({ ...headers, connection: 'close', 'content-length': Buffer.byteLength(body) });
  return `HTTP/1.1 ${status} Refused\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

/** Returns a problem document with the headers of the request frame, for a request that never reaches the frame. */
function plainResponse(problem: Problem): { status: number; headers: Record<string, string>; body: string } {
  const requestId = randomUUID();
  return {
    status: catalogue[problem.code].status,
    headers: {
      'content-type': 'application/problem+json',
      'x-request-id': requestId,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      ...problem.extra.headers,
    },
    body: JSON.stringify(problemDocument(problem, requestId)),
  };
}
