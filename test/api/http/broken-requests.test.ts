import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Listening, listen, refuseBrokenRequests } from '../../../api/http/listen.ts';

let listening: Listening;

beforeAll(async () => {
  listening = await listen({ host: '127.0.0.1', port: 0 });
  listening.serve((request, response) => {
    response.end(`served ${request.url}`);
  });
});
afterAll(() => listening.stop(0));

/**
 * Sends the bytes, and `rest` when the response begins. Returns everything that comes back until the server closes the
 * connection.
 */
function exchange(bytes: string, { port = listening.port, rest = '' } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.setEncoding('utf8').on('data', (part) => {
      if (text === '') socket.write(rest);
      text += part;
    });
    socket.on('close', () => resolve(text)).on('error', reject);
  });
}

function problemIn(response: string) {
  const [head = '', body = ''] = response.split('\r\n\r\n');
  expect(head).toContain('content-type: application/problem+json');
  expect(head).toContain('x-content-type-options: nosniff');
  const problem = JSON.parse(body) as Record<string, unknown>;
  expect(head).toContain(`x-request-id: ${problem['request_id']}`);
  return { line: head.split('\r\n')[0], problem };
}

const close = 'connection: close\r\n';

describe('a request that the parser refuses', () => {
  test('gets 400 for malformed HTTP', async () => {
    const { line, problem } = problemIn(await exchange('GET / nonsense\r\n\r\n'));
    expect(line).toMatch(/^HTTP\/1\.1 400 /);
    expect(problem).toMatchObject({ status: 400, code: 'invalid_request' });
  });

  test('gets 431 for headers above 16 KiB', async () => {
    const { line, problem } = problemIn(await exchange(`GET / HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}`));
    expect(line).toMatch(/^HTTP\/1\.1 431 /);
    expect(problem).toMatchObject({ status: 431, code: 'headers_too_large' });
  });

  test('gets 400 without `Host`', async () => {
    const response = await exchange(`GET / HTTP/1.1\r\n${close}\r\n`);
    expect(response.toLowerCase()).toContain('http/1.1 400');
    expect(response).toContain('"code":"invalid_request"');
    expect(response).toContain('`Host`');
  });

  test('gets 408 for a request that does not end', async () => {
    const server = createServer({ connectionsCheckingInterval: 20, headersTimeout: 50, requestTimeout: 50 });
    refuseBrokenRequests(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { line, problem } = problemIn(await exchange('GET / HTTP/1.1\r\n', { port }));
    server.close();
    expect(line).toMatch(/^HTTP\/1\.1 408 /);
    expect(problem).toMatchObject({ status: 408, code: 'request_timeout' });
  });
});

test('serves a request with an unknown `Expect`', async () => {
  const response = await exchange(`GET /here HTTP/1.1\r\nhost: x\r\nexpect: a miracle\r\n${close}\r\n`);
  expect(response).toContain('200 OK');
  expect(response).toContain('served /here');
});

test('adds nothing to a response that has begun', async () => {
  listening.serve((_, response) => {
    response.write('half of it');
    setTimeout(() => response.end(), 200);
  });
  const response = await exchange('GET / HTTP/1.1\r\nhost: x\r\n\r\n', { rest: 'GET / nonsense\r\n\r\n' });
  expect(response).toContain('half of it');
  expect(response).not.toContain('invalid_request');
});
