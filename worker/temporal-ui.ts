import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createSocketServer } from 'node:net';

/** Where the UI of Temporal's dev server listens. Only the guard knows this address. */
export type HiddenAddress = { host: string; port: number };

/**
 * Returns a free address for the UI that a web page cannot guess. Linux has 16 million loopback addresses. Other
 * systems have one, so only the port is random there.
 */
export async function hiddenAddress(): Promise<HiddenAddress> {
  const random = () => 1 + Math.floor(Math.random() * 254);
  const host = `127.${random()}.${random()}.${random()}`;
  const port = await freePortOn(host);
  return port === undefined ? { host: '127.0.0.1', port: (await freePortOn('127.0.0.1')) ?? 0 } : { host, port };
}

function freePortOn(host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createSocketServer();
    server.once('error', () => resolve(undefined));
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : undefined));
    });
  });
}

/**
 * Serves the UI on loopback, and refuses a request whose `Host` or `Origin` is not loopback. The UI itself accepts any
 * `Host` and gives out its CSRF token, so a web page could use DNS rebinding to start workflows.
 */
export async function guardTemporalUi(
  { host, port }: HiddenAddress,
  at: { host: string; port: number },
): Promise<{ close(): Promise<void> }> {
  const server = createServer((incoming, outgoing) => {
    if (isFromHere(incoming)) forward(incoming, outgoing);
    else refuse(incoming, outgoing);
  });
  function forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url: path, headers } = incoming;
    const forwarded = request({ host, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
      answer.once('error', () => outgoing.destroy());
    });
    forwarded.once('error', () => {
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(502, { 'content-type': 'text/plain' }).end('The Temporal UI does not respond.\n');
    });
    outgoing.once('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, resolve);
  });
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Returns whether the name in `Host` is a loopback name, and the page is the UI's own. An SSH tunnel can use another
 * port, so only the names count. A page of another site sends its own origin.
 */
function isFromHere({ headers: { host = '', origin } }: IncomingMessage): boolean {
  return isLoopback(`http://${host}`) && (origin === undefined || origin === `http://${host}`);
}

function isLoopback(url: string): boolean {
  return URL.canParse(url) && ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname);
}

function refuse(incoming: IncomingMessage, outgoing: ServerResponse): void {
  incoming.resume();
  outgoing
    .writeHead(421, { 'content-type': 'text/plain' })
    .end('Fairlead shows the Temporal UI only under a loopback name, such as localhost or 127.0.0.1.\n');
}
