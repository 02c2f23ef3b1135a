import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Problem, problemDocument } from './problems.ts';

export class ListenError extends Error {
  override name = 'ListenError';
}

export type Listening = {
  port: number;
  /** Starts to serve requests. The port is bound from the beginning, and until this call every request gets a 503. */
  serve(listener: RequestListener): void;
  /** Accepts no new connections, and waits at most `limitMs` for the requests in flight. */
  stop(limitMs: number): Promise<void>;
};

const idleCheckMs = 100;

const starting: RequestListener = (_, response) => {
  const problem = new Problem('unavailable', 'Fairlead is still starting. Send the request again in a second.');
  response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '1' });
  response.end(JSON.stringify(problemDocument(problem, randomUUID())));
};

/** Binds the address before anything else starts, so that a port conflict is reported immediately. */
export async function listen({ host, port }: { host: string; port: number }): Promise<Listening> {
  let current = starting;
  let stopping = false;
  const server = createServer((request, response) => {
    if (stopping) response.setHeader('connection', 'close');
    current(request, response);
  });
  // A body of 25 MB can be slow. Headers must not be.
  server.headersTimeout = 15_000;
  server.requestTimeout = 120_000;
  server.keepAliveTimeout = 65_000;
  server.maxConnections = 10_000;

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, host, port)));
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

function explain(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') {
    return new ListenError(`Port ${port} is taken: stop what listens there, or set FAIRLEAD_PORT`);
  }
  if (error.code === 'EACCES') {
    return new ListenError(`Port ${port} may not be used by this user: set FAIRLEAD_PORT to one above 1023`);
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new ListenError(`${host} is no address of this machine: set FAIRLEAD_HOST`);
  }
  return error;
}
