import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFaults, type Fault } from './github/faults.ts';

export type CloudRequest = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  /** The field of the body, if there is one. */
  form: URLSearchParams;
  json: Record<string, unknown>;
};

export type CloudAnswer = { status: number; body?: unknown; headers?: Record<string, string> };

/** An https server on loopback that records its requests and fails on demand. `now` is its clock. */
export async function startCloudServer(options: {
  /** PEM, for `localhost`. */
  certificate: { cert: string; key: string };
  now: () => number;
  handle(request: CloudRequest): CloudAnswer | Promise<CloudAnswer>;
}) {
  const ledger: (CloudRequest & { status: number })[] = [];
  const faults = createFaults();
  const server = createServer(options.certificate, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      console.error(error);
      response.writeHead(500).end();
    });
  });

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await read(incoming);
    const entry = { ...request, status: 0 };
    ledger.push(entry);
    const fault = faults.take(request.method, request.path);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'reset') return void incoming.socket.destroy();
    if (fault?.kind === 'slow') await sleep(fault.delayMs ?? 1000);
    const { status, body, headers } = insteadOf(fault) ?? (await options.handle(request));
    if (fault?.kind === 'lost_answer') return void incoming.socket.destroy();
    entry.status = status;
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, {
      date: new Date(options.now()).toUTCString(),
      'content-type': 'application/json; charset=utf-8',
      ...(fault?.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) }),
      ...headers,
    });
    response.end(text);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    /** The requests, oldest first. */
    ledger,
    faults,
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function insteadOf(fault: Fault | undefined): CloudAnswer | undefined {
  if (fault?.kind !== 'status') return undefined;
  const { status = 500, body = { error: 'made to fail' } } = fault;
  return { status, body, ...(status >= 300 && status < 400 && { headers: { location: '/elsewhere' } }) };
}

async function read(incoming: IncomingMessage): Promise<CloudRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const isForm = String(incoming.headers['content-type']).startsWith('application/x-www-form-urlencoded');
  const { pathname, searchParams } = new URL(incoming.url ?? '/', 'https://localhost');
  return {
    method: incoming.method ?? 'GET',
    path: pathname,
    query: searchParams,
    headers: incoming.headers,
    form: new URLSearchParams(isForm ? text : ''),
    json: isForm ? {} : parse(text),
  };
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
