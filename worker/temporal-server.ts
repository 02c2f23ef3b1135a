import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { programEnvironment } from '../config.ts';
import { workflowAttributeNames } from '../domain/ops/workflow-ids.ts';
import { stopLeftover } from './temporal-server-leftover.ts';
import { guardTemporalUi, type HiddenAddress, hiddenAddress } from './temporal-ui.ts';

/** Why there is no Temporal server, as a sentence for the user who starts the product. */
export class TemporalServerError extends Error {
  override name = 'TemporalServerError';
}

export type TemporalServer = {
  address: string;
  uiUrl: string;
  /** Rejects when the server could not start, or has ended and could not be started again. */
  failed: Promise<never>;
  stop(): Promise<void>;
};

const host = '127.0.0.1';
const root = path.join(import.meta.dirname, '..');

/**
 * Starts Temporal's dev server with its guarded UI and a database file in `dataDir`. It stops a server that an earlier
 * start left behind. It throws if another program uses the port. It does not wait until the server responds.
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
  await requireUnused(folder, pidFile);
  await requireFree(port, 'FAIRLEAD_TEMPORAL_PORT');
  await requireFree(uiPort, 'FAIRLEAD_TEMPORAL_UI_PORT');

  const ui = await hiddenAddress();
  const watchdog = spawn(
    process.execPath,
    [
      path.join(root, 'scripts', 'temporal-watchdog.mjs'),
      logFile,
      pidFile,
      options.cliPath ?? foundProgram(),
      ...serverArguments({ port, ui, file: path.join(folder, 'temporal.db') }),
    ],
    { detached: true, stdio: ['pipe', 'pipe', 'ignore'], env: { ...programEnvironment(), ...noCallHome } },
  );
  const address = `${host}:${port}`;
  const failed = failure(watchdog, logFile);
  const stop = async () => {
    await stopWatchdog(watchdog);
    // The watchdog can be killed while its server lives on.
    await stopLeftover(pidFile);
  };
  let guard: Awaited<ReturnType<typeof guardTemporalUi>>;
  try {
    guard = await guardTemporalUi(ui, { host, port: uiPort });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    address,
    uiUrl: `http://${host}:${uiPort}`,
    failed,
    async stop() {
      await guard.close();
      await stop();
    },
  };
}

/** Prevents the server from asking Temporal's makers for newer versions, which would tell them of this instance. */
const noCallHome = { TEMPORAL_VERSION_CHECK_DISABLED: '1' };

function serverArguments({ port, ui, file }: { port: number; ui: HiddenAddress; file: string }): string[] {
  return [
    'server',
    'start-dev',
    ...['--ip', host, '--port', String(port), '--ui-ip', ui.host, '--ui-port', String(ui.port)],
    '--ui-disable-news-fetch',
    // The HTTP API accepts requests from any web page, without a token. With no allowed host, it refuses all of them.
    ...['--dynamic-config-value', 'frontend.httpAllowedHosts=[]'],
    ...['--namespace', 'default', '--db-filename', file],
    // The file mode is several times slower without these two settings.
    ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
    ...['--log-level', 'error', '--log-format', 'json'],
    ...workflowAttributeNames.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
  ];
}

/** What `scripts/setup.mjs` found. */
function foundProgram(): string {
  try {
    const record = readFileSync(path.join(process.cwd(), '.temporal', 'found.json'), 'utf8');
    return (JSON.parse(record) as { temporal?: string }).temporal ?? 'temporal';
  } catch {
    // If the record cannot be read, the PATH decides which program runs.
    return 'temporal';
  }
}

function failure(watchdog: ChildProcess, logFile: string): Promise<never> {
  const failed = new Promise<never>((_, reject) => {
    let said = '';
    watchdog.stdout?.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    watchdog.once('close', (code, signal) => {
      if (code === 0) return;
      reject(
        new TemporalServerError(`The Temporal server ${said.trim() || `ended with ${code ?? signal}`}: see ${logFile}`),
      );
    });
  });
  failed.catch(() => {});
  return failed;
}

async function stopWatchdog(watchdog: ChildProcess): Promise<void> {
  if (watchdog.exitCode !== null || watchdog.signalCode !== null) return;
  const ended = new Promise((resolve) => watchdog.once('exit', resolve));
  watchdog.stdin?.end();
  await ended;
}

async function requireUnused(folder: string, pidFile: string): Promise<void> {
  const owner = await stopLeftover(pidFile);
  if (owner === undefined) return;
  throw new TemporalServerError(
    `${folder} is in use by process ${owner}, another Fairlead: stop that, or set FAIRLEAD_DATA_DIR`,
  );
}

async function requireFree(port: number, variable: string): Promise<void> {
  if (await isFree(port)) return;
  throw new TemporalServerError(
    `Port ${port} of the Temporal server is in use. Stop the process on that port, set ${variable}, or set TEMPORAL_ADDRESS to your own server`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
