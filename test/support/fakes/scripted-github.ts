import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { githubHost } from '../../../domain/github/github-host.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { createGitHub } from '../../../providers/github/github.ts';

export type Scripted = {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
  drop?: boolean;
  hang?: boolean;
};
export type Seen = { method: string; path: string; headers: Record<string, unknown>; body: unknown };

/** A GitHub that returns the given answers in order, repeats the last one, and records the requests. */
export async function scriptedGitHub(
  answers: Scripted[],
  { server: isServer = false, timeoutMs = 5000, connectionMs = 5000 } = {},
) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    // Its time is the time of the client below.
    response.sendDate = false;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const { method = '', url = '', headers } = request;
      const {
        status = 200,
        headers: more,
        body,
        drop,
        hang,
      } = answers[Math.min(seen.length, answers.length - 1)] ?? {};
      seen.push({ method, path: url, headers, body: text === '' ? undefined : JSON.parse(text) });
      if (hang) return undefined;
      if (drop) return request.socket.destroy();
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...more });
      return response.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close().closeAllConnections();
  });

  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const github = createGitHub({
    host: isServer ? githubHost(origin) : githubHost('https://github.com', origin),
    fetch: createGuardedFetch({
      allowedHosts: parseAllowedHosts(origin),
      timeoutMs: connectionMs,
      maxBytes: 1_000_000,
    }),
    userAgent: 'fairlead-test',
    timeoutMs,
    now: () => Date.parse('2026-11-01T12:00:00Z'),
  });
  return { github, seen, origin };
}
