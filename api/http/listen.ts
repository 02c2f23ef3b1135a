import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Problem, problemDocument } from './problems.ts';

export class ListenError extends Error {
  override name = 'ListenError';
}

export type Listening = {
  port: number;
  /** Takes over the requests; until then every one is answered 503, so that the port is held from the beginning. */
  serve(listener: RequestListener): void;
  /** Takes no new connection, and waits for the requests in flight, `limitMs` at most. */
  stop(limitMs: number): Promise<void>;
};

const idleCheckMs = 100;

const starting: RequestListener = (_, response) => {
  const problem = new Problem('unavailable', 'Fairlead is still starting. Send the request again in a second.');
  response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '1' });
  response.end(JSON.stringify(problemDocument(problem, randomUUID())));
};

/** Binds the address before anything else is started, so that a taken port is known at once. */
export async function listen({ host, port }: { host: string; port: number }): Promise<Listening> {
  let current = starting;
  let stopping = false;
  const server = createServer((request, response) => {
    if (stopping) response.setHeader('connection', 'close');
    current(request, response);
  });
  // A body of 25 MB may come slowly; headers may not.
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
      // A connection that was busy a moment ago is kept alive by its client, and would hold up the end.
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
