import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NativeConnection } from '@temporalio/worker';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { workflowAttributeNames } from '../../domain/ops/workflow-ids.ts';
import { createTemporalClient, waitForTemporal } from '../../worker/temporal-client.ts';
import type { TemporalServer } from '../../worker/temporal-server.ts';
import { startRespondingServer } from '../support/programs/own-temporal.ts';
import { freePort, isAlive } from '../support/programs/processes.ts';

const root = path.join(import.meta.dirname, '..', '..');
const found = JSON.parse(readFileSync(path.join(root, '.temporal', 'found.json'), 'utf8')) as { temporal: string };
let options: { dataDir: string; port: number; uiPort: number; cliPath: string };
let started: TemporalServer[];
let starters: ChildProcess[];

beforeEach(async () => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'fairlead-server-'));
  options = { dataDir, port: await freePort(), uiPort: await freePort(), cliPath: found.temporal };
  started = [];
  starters = [];
});

afterEach(async () => {
  for (const starter of starters) starter.kill('SIGKILL');
  await Promise.all(started.map((server) => server.stop()));
  rmSync(options.dataDir, { recursive: true, force: true });
});

async function start(): Promise<TemporalServer> {
  const server = await startRespondingServer(options);
  started.push(server);
  return server;
}

/** Starts a process that starts the server and then stays alive. */
async function startElsewhere(): Promise<ChildProcess> {
  const code = `
    import { startRespondingServer } from ${JSON.stringify(path.join(root, 'test/support/programs/own-temporal.ts'))};
    await startRespondingServer(${JSON.stringify(options)});
    console.log('up');
    setInterval(() => {}, 1000);`;
  const starter = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  starters.push(starter);
  await new Promise((resolve, reject) => {
    starter.stdout?.once('data', resolve);
    starter.once('exit', reject);
  });
  return starter;
}

const pidFile = () => path.join(options.dataDir, 'temporal.pid');
const pids = () => JSON.parse(readFileSync(pidFile(), 'utf8')) as { server: number; watchdog: number; owner: number };
const answer = () => waitForTemporal({ address: `127.0.0.1:${options.port}`, namespace: 'default' }, 20_000);
const gone = (pid: number) => expect.poll(() => isAlive(pid), { timeout: 15_000 }).toBe(false);

test('is ready with its search attributes and its UI, and leaves nothing after a stop', async () => {
  const server = await start();
  const { connection, close } = createTemporalClient(
    { namespace: 'default', tls: undefined, apiKey: undefined },
    server.address,
  );
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
  expect(Object.keys(customAttributes ?? {})).toEqual(expect.arrayContaining([...workflowAttributeNames]));
  expect((await fetch(server.uiUrl)).status).toBe(200);
  await close();

  const { server: pid, watchdog } = pids();
  await server.stop();
  expect([pid, watchdog].filter(isAlive)).toEqual([]);
  expect(existsSync(pidFile())).toBe(false);
}, 60_000);

test.runIf(existsSync('/proc/self/environ'))(
  'is reached without the proxy of the environment',
  async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    const names = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'grpc_proxy'];
    for (const name of names) process.env[name] = dead;
    try {
      const { address } = await start();
      await waitForTemporal({ address, namespace: 'default' }, 10_000);
      const native = await NativeConnection.connect({ address });
      await native.workflowService.describeNamespace({ namespace: 'default' });
      await native.close();
      expect(
        namesOf(readFileSync(`/proc/${pids().server}/environ`, 'utf8')).filter((name) => /proxy/i.test(name)),
      ).toEqual([]);
    } finally {
      for (const name of names) delete process.env[name];
    }
  },
  90_000,
);

/** Sends a request with these headers and returns its status and headers. `fetch` cannot set `Host`. */
function ask(url: string, headers: Record<string, string>, method = 'GET'): Promise<{ status: number; told: string }> {
  return new Promise((resolve, reject) => {
    const body = method === 'POST' ? '{"workflowType":{"name":"reconcile"},"taskQueue":{"name":"fairlead"}}' : '';
    request(url, { method, headers: { 'content-length': String(body.length), ...headers } }, (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode ?? 0, told: JSON.stringify(answer.headers) });
    })
      .once('error', reject)
      .end(body);
  });
}

/** Returns the ports on which the process listens at 127.0.0.1, if the system shows them. */
function portsOf(pid: number): number[] {
  if (!existsSync('/proc/net/tcp')) return [];
  const folder = `/proc/${pid}/fd`;
  const sockets = readdirSync(folder).flatMap((name) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(path.join(folder, name)))?.[1] ?? [];
    } catch {
      return [];
    }
  });
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  return lines.flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const [address, port = ''] = local.split(':');
    return state === '0A' && address === '0100007F' && sockets.includes(inode) ? [Number.parseInt(port, 16)] : [];
  });
}

test('serves only its UI, only under a loopback name, and sends no requests for news', async () => {
  const { uiUrl, address } = await start();
  const { host } = new URL(uiUrl);
  const startOne = '/api/v1/namespaces/default/workflows/by-hand';
  for (const headers of [
    { host: 'attacker.example' },
    { host: `127.0.0.1.attacker.example:${options.uiPort}` },
    { host, origin: 'http://attacker.example' },
    { host, origin: 'null' },
  ]) {
    for (const path of ['/', '/namespaces/default/workflows', '/api/v1/settings', '/healthz']) {
      const { status, told } = await ask(`${uiUrl}${path}`, headers);
      expect({ ...headers, path, status }).toEqual({ ...headers, path, status: 421 });
      expect(told).not.toContain('csrf');
    }
    expect((await ask(`${uiUrl}${startOne}`, headers, 'POST')).status).toBe(421);
  }
  // A tunnel has another port.
  expect((await ask(uiUrl, { host: 'localhost:9999' })).status).toBe(200);
  expect(await (await fetch(`${uiUrl}/api/v1/settings`)).json()).toMatchObject({ DisableNewsFetch: true });

  // The other ports of the server are random, and one of them is Temporal's HTTP API.
  const answers: number[] = [];
  for (const port of portsOf(pids().server)) {
    for (const name of [`127.0.0.1:${port}`, 'localhost', 'attacker.example']) {
      const sent = ask(`http://127.0.0.1:${port}${startOne}`, { host: name }, 'POST');
      answers.push((await sent.catch(() => ({ status: 0 }))).status);
    }
  }
  if (existsSync('/proc/net/tcp')) expect(answers.filter((status) => status === 403)).toHaveLength(3);
  expect(answers.filter((status) => status >= 200 && status < 300)).toEqual([]);
  const { connection, close } = createTemporalClient(
    { namespace: 'default', tls: undefined, apiKey: undefined },
    address,
  );
  const { executions } = await connection.workflowService.listWorkflowExecutions({ namespace: 'default' });
  expect(executions).toEqual([]);
  await close();
}, 60_000);

test.runIf(existsSync('/proc/self/environ'))(
  'neither the server nor its watchdog is given a secret',
  async () => {
    process.env['FAIRLEAD_MASTER_KEYS'] = 'k1:planted';
    process.env['GITHUB_APP_PRIVATE_KEY'] = 'PRIVATE KEY planted';
    try {
      await start();
    } finally {
      delete process.env['FAIRLEAD_MASTER_KEYS'];
      delete process.env['GITHUB_APP_PRIVATE_KEY'];
    }
    const { server, watchdog } = pids();
    for (const pid of [server, watchdog]) {
      const names = namesOf(readFileSync(`/proc/${pid}/environ`, 'utf8'));
      expect(names).toContain('PATH');
      expect(names).toContain('TEMPORAL_VERSION_CHECK_DISABLED');
      expect(names.filter((name) => /FAIRLEAD|GITHUB|DATABASE|VITEST/.test(name))).toEqual([]);
    }
  },
  60_000,
);

function namesOf(environ: string): string[] {
  return environ.split('\0').map((pair) => pair.split('=')[0] ?? '');
}

test('ends when its starter is killed, and the next start works at once', async () => {
  const starter = await startElsewhere();
  const { server } = pids();
  starter.kill('SIGKILL');
  await start();
  expect(isAlive(server)).toBe(false);
  await answer();
}, 60_000);

test('is stopped by the next start if its starter and watchdog were killed', async () => {
  const starter = await startElsewhere();
  const { server, watchdog } = pids();
  // Kills the watchdog first, so that it cannot notice the death of the starter.
  process.kill(watchdog, 'SIGKILL');
  starter.kill('SIGKILL');
  expect(isAlive(server)).toBe(true);
  await start();
  await gone(server);
  await answer();
}, 60_000);

test('is left alone while a living process uses it', async () => {
  const starter = await startElsewhere();
  await expect(start()).rejects.toThrow(`is in use by process ${starter.pid}`);
  await answer();
  const { server } = pids();
  starter.kill('SIGKILL');
  await gone(server);
}, 60_000);

test('is restarted with its data when it dies', async () => {
  await start();
  const { server } = pids();
  // A server that ends in its first seconds counts as one that cannot start.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  process.kill(server, 'SIGKILL');
  await expect.poll(() => pids().server, { timeout: 10_000 }).not.toBe(server);
  await answer();
}, 60_000);

test('reports a killed watchdog as a failure, and ends its server on stop', async () => {
  const server = await start();
  const { server: pid, watchdog } = pids();
  process.kill(watchdog, 'SIGKILL');
  await expect(server.failed).rejects.toThrow(/The Temporal server ended with SIGKILL: see .*temporal\.log/);
  await server.stop();
  await gone(pid);
}, 60_000);

test('does not touch a process ID that another program has now', async () => {
  const bystander = spawn('sleep', ['60']);
  const { pid = 0 } = bystander;
  writeFileSync(pidFile(), JSON.stringify({ server: pid, watchdog: pid, owner: process.pid }));
  await start();
  expect(isAlive(pid)).toBe(true);
  bystander.kill();
}, 60_000);

test('names the port that another program uses, and what to set', async () => {
  const other = createServer().listen(options.port, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  await expect(start()).rejects.toThrow(new RegExp(`Port ${options.port}.*FAIRLEAD_TEMPORAL_PORT`));
  other.close();
});

test('names the log of a program that is not Temporal', async () => {
  options.cliPath = '/bin/false';
  await expect(start()).rejects.toThrow(/The Temporal server ended with 1: see .*temporal\.log/);
  options.cliPath = '/nowhere/temporal';
  await expect(start()).rejects.toThrow(/The Temporal server failed: spawn \/nowhere\/temporal ENOENT: see/);
});
