import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knex from 'knex';

const root = path.join(import.meta.dirname, '..');
const ticksPerSecond = 100;

/** A server under measurement, in a process of its own. */
export type Subject = {
  url: string;
  /** The CPU seconds that the process has used so far. */
  cpuSeconds(): number;
  residentMiB(): number;
  kill(): Promise<void>;
  stop(): Promise<void>;
};

export async function startBare(secret?: string): Promise<Subject> {
  const child = spawnNode(['bench/bare-server.ts', ...(secret ? ['--hmac', secret] : [])], {});
  const port = await lineOf(child, /listening (\d+)/);
  return subject(child, `http://127.0.0.1:${port}/v1/webhooks/github`);
}

export type Product = Subject & { storedDeliveries(): Promise<number>; remove(): void };

/** Starts the whole product on an empty data directory. Its GitHub is a server that knows nothing. */
export async function startProduct(secret: string, appId: number, folder = newFolder()): Promise<Product> {
  const github = await startSilentGitHub();
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const [port, temporalPort, uiPort] = [await freePort(), await freePort(), await freePort()];
  const child = spawnNode(['start.ts'], {
    FAIRLEAD_PORT: String(port),
    FAIRLEAD_METRICS_PORT: '0',
    FAIRLEAD_DATA_DIR: folder,
    FAIRLEAD_TEMPORAL_PORT: String(temporalPort),
    FAIRLEAD_TEMPORAL_UI_PORT: String(uiPort),
    FAIRLEAD_LOG_LEVEL: 'error',
    GITHUB_APP_ID: String(appId),
    GITHUB_APP_SLUG: 'bench',
    GITHUB_APP_PRIVATE_KEY: privateKey,
    GITHUB_APP_WEBHOOK_SECRET: secret,
    GITHUB_HOST_URL: `http://127.0.0.1:${(github.address() as AddressInfo).port}`,
    GITHUB_API_URL: `http://127.0.0.1:${(github.address() as AddressInfo).port}`,
  });
  await lineOf(child, /Fairlead is ready/);
  const running = subject(child, `http://127.0.0.1:${port}/v1/webhooks/github`);
  return {
    ...running,
    async stop() {
      await running.stop();
      github.close();
    },
    async kill() {
      await running.kill();
      github.close();
    },
    storedDeliveries: () => countDeliveries(path.join(folder, 'fairlead.db')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export function newFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'fairlead-bench-'));
}

/** Counts the rows over a separate connection, so that only rows in the file count. */
async function countDeliveries(filename: string): Promise<number> {
  const database = knex({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true });
  try {
    const [row] = await database('deliveries').count({ count: '*' });
    return Number(row?.['count']);
  } finally {
    await database.destroy();
  }
}

async function startSilentGitHub(): Promise<Server> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('[]');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

function spawnNode(args: string[], env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function lineOf(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk;
      const found = pattern.exec(text);
      if (found) resolve(found[1] ?? '');
    });
    child.once('exit', (code) => reject(new Error(`The process ended (${code}) before it was ready:\n${text}`)));
  });
}

function subject(child: ChildProcess, url: string): Subject {
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const end = (signal: NodeJS.Signals) => async () => {
    child.kill(signal);
    await ended;
  };
  return {
    url,
    cpuSeconds() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    },
    residentMiB() {
      const line = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
      return Number(line?.[1]) / 1024;
    },
    kill: end('SIGKILL'),
    stop: end('SIGTERM'),
  };
}
