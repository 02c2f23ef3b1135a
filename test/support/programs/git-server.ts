import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { program } from './programs.ts';

type Login = { username: string; password: string };
type Judge = (login: Login, repository: string) => boolean | Promise<boolean>;

/** A Git host over HTTP with git's own `http-backend`. `judge` decides who may read a repository. */
export async function startGitServer(judge: Judge) {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-git-'));
  const git = program('git');
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    ...Object.fromEntries(
      ['AUTHOR', 'COMMITTER'].flatMap((who) => [
        [`GIT_${who}_NAME`, 'Ada'],
        [`GIT_${who}_EMAIL`, 'ada@example.com'],
      ]),
    ),
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? '/', url);
    const [, repository = ''] = /^\/([\w-]+\/[\w-]+)\.git\//.exec(pathname) ?? [];
    const login = loginOf(request);
    if (!login || !(await judge(login, repository))) {
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
    }
    const child = spawn(git, ['http-backend'], {
      env: {
        ...env,
        GIT_PROJECT_ROOT: folder,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method ?? 'GET',
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        HTTP_GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
    });
    request.pipe(child.stdin);
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout) chunks.push(chunk);
    const output = Buffer.concat(chunks);
    const end = output.indexOf('\r\n\r\n');
    for (const line of output.subarray(0, end).toString().split('\r\n')) {
      const [name = '', value = ''] = line.split(/: (.*)/);
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.end(output.subarray(end + 4));
  }

  return {
    url,
    /** A repository `owner/name` with one file that contains its name. */
    addRepository(name: string): void {
      const bare = path.join(folder, `${name}.git`);
      const work = path.join(folder, 'work', name);
      execFileSync(git, ['init', '--quiet', '--bare', '--initial-branch=main', bare], { env });
      execFileSync(git, ['clone', '--quiet', bare, work], { env, stdio: 'ignore' });
      writeFileSync(path.join(work, 'README'), name);
      const run = (...args: string[]) => execFileSync(git, args, { cwd: work, env });
      run('checkout', '--quiet', '-B', 'main');
      run('add', 'README');
      run('commit', '--quiet', '-m', 'Begin');
      run('push', '--quiet', 'origin', 'main');
    },
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type GitServer = Awaited<ReturnType<typeof startGitServer>>;

function loginOf({ headers }: IncomingMessage): Login | undefined {
  const [, encoded] = /^Basic (.+)$/.exec(headers.authorization ?? '') ?? [];
  if (!encoded) return undefined;
  const [username = '', password = ''] = Buffer.from(encoded, 'base64').toString('utf8').split(/:(.*)/s);
  return { username, password };
}
