import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { workflowAttributeNames } from '../domain/workflow-attributes.ts';
import { TemporalUnreachable, waitForTemporal } from './temporal-client.ts';

/** Why there is no Temporal server, in a sentence for whoever starts the product. */
export class TemporalServerError extends Error {
  override name = 'TemporalServerError';
}

export type TemporalServer = { address: string; uiUrl: string; stop(): Promise<void> };

const host = '127.0.0.1';
const root = path.join(import.meta.dirname, '..');

/**
 * Runs Temporal's dev server with its UI and a database file in `dataDir`. A server of ours that an earlier start
 * left behind is stopped first; a port that somebody else holds is an error. Ready means that the namespace answers.
 */
export async function startTemporalServer(options: {
  dataDir: string;
  port: number;
  uiPort: number;
  cliPath?: string | undefined;
}): Promise<TemporalServer> {
  const { dataDir, port, uiPort } = options;
  const folder = path.resolve(dataDir);
  mkdirSync(folder, { recursive: true });
  const [pidFile, logFile] = [path.join(folder, 'temporal.pid'), path.join(folder, 'temporal.log')];
  await stopLeftover(pidFile, [port, uiPort]);
  await requireFree(port, 'FAIRLEAD_TEMPORAL_PORT');
  await requireFree(uiPort, 'FAIRLEAD_TEMPORAL_UI_PORT');

  const watchdog = spawn(
    process.execPath,
    [
      path.join(root, 'scripts', 'temporal-watchdog.mjs'),
      logFile,
      pidFile,
      options.cliPath ?? foundProgram(),
      ...serverArguments({ port, uiPort, file: path.join(folder, 'temporal.db') }),
    ],
    { detached: true, stdio: ['pipe', 'pipe', 'ignore'] },
  );
  const address = `${host}:${port}`;
  await ready(watchdog, address, logFile);
  return { address, uiUrl: `http://${host}:${uiPort}`, stop: () => stopWatchdog(watchdog) };
}

function serverArguments({ port, uiPort, file }: { port: number; uiPort: number; file: string }): string[] {
  return [
    'server',
    'start-dev',
    ...['--ip', host, '--port', String(port), '--ui-ip', host, '--ui-port', String(uiPort)],
    ...['--namespace', 'default', '--db-filename', file],
    // The file mode is several times slower without these two.
    ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
    ...['--log-level', 'error', '--log-format', 'json'],
    ...workflowAttributeNames.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
  ];
}

/** What `scripts/setup.mjs` found. */
function foundProgram(): string {
  const record = path.join(process.cwd(), '.temporal', 'found.json');
  const found = existsSync(record) ? (JSON.parse(readFileSync(record, 'utf8')) as { temporal?: string }) : {};
  return found.temporal ?? 'temporal';
}

async function ready(watchdog: ChildProcess, address: string, logFile: string): Promise<void> {
  const failed = new Promise<never>((_, reject) => {
    watchdog.stdout?.once('data', (said: Buffer) => {
      reject(new TemporalServerError(`The Temporal server ${String(said).trim()}: see ${logFile}`));
    });
  });
  try {
    await Promise.race([failed, waitForTemporal({ address, namespace: 'default' }, 60_000)]);
  } catch (error) {
    await stopWatchdog(watchdog);
    if (!(error instanceof TemporalUnreachable)) throw error;
    throw new TemporalServerError(`The Temporal server was started but does not answer: see ${logFile}`);
  }
}

async function stopWatchdog(watchdog: ChildProcess): Promise<void> {
  if (watchdog.exitCode !== null || watchdog.signalCode !== null) return;
  const ended = new Promise((resolve) => watchdog.once('exit', resolve));
  watchdog.stdin?.end();
  await ended;
}

/**
 * The pid file is written by the watchdog and removed when the server has ended. Where it names a running Temporal,
 * either its watchdog is about to stop it, or that was killed too, and nobody will: then we do.
 */
async function stopLeftover(pidFile: string, ports: number[]): Promise<void> {
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8'));
  if (isTemporal(pid)) {
    process.kill(pid, 'SIGTERM');
    for (let waited = 0; isTemporal(pid); waited += 100) {
      if (waited === 10_000) process.kill(pid, 'SIGKILL');
      await sleep(100);
    }
  }
  rmSync(pidFile, { force: true });
  for (const port of ports) for (let tries = 0; tries < 20 && !(await isFree(port)); tries += 1) await sleep(100);
}

/** A pid is soon given to somebody else: only a program that was started as ours is stopped. */
function isTemporal(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const commandLine = `/proc/${pid}/cmdline`;
  return (
    !existsSync('/proc/self') || (existsSync(commandLine) && readFileSync(commandLine, 'utf8').includes('start-dev'))
  );
}

async function requireFree(port: number, variable: string): Promise<void> {
  if (await isFree(port)) return;
  throw new TemporalServerError(
    `Port ${port}, for the Temporal server, is taken: stop what listens there, set ${variable}, or set TEMPORAL_ADDRESS to a server of yours`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
