// Runs the tests on a new Postgres server and removes the server after the run. If TEST_DATABASE_URL is set, it uses
// that server instead. Needs Postgres 13 or later (Debian: apt-get install postgresql).
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const given = process.env.TEST_DATABASE_URL;
const isRoot = process.getuid?.() === 0;

function fail(message) {
  console.error(`test:postgres: ${message}`);
  process.exit(1);
}

/** Debian keeps the server's programs off the PATH, by major version. */
function findPrograms() {
  const debian = '/usr/lib/postgresql';
  const majors = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...majors.map((major) => `${debian}/${major}/bin`), ...(process.env.PATH ?? '').split(':')];
  const found = folders.find((folder) => existsSync(`${folder}/initdb`) && existsSync(`${folder}/pg_ctl`));
  return (
    found ?? fail('Postgres is not installed: install it (Debian: apt-get install postgresql) or set TEST_DATABASE_URL')
  );
}

/** initdb refuses to run as root. In that case the server runs as the `postgres` user of the package. */
function run(program, args) {
  const command = isRoot ? ['runuser', ['-u', 'postgres', '--', program, ...args]] : [program, args];
  const { status, stderr, stdout, error } = spawnSync(command[0], command[1], { encoding: 'utf8', cwd: '/' });
  if (status !== 0) fail(`${path.basename(program)} failed: ${(error?.message ?? '') + stdout + stderr}`);
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function startServer() {
  const programs = findPrograms();
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-postgres-'));
  if (isRoot) {
    const { status } = spawnSync('chown', ['postgres', folder]);
    if (status !== 0) fail('there is no user `postgres` to run the server as');
  }
  chmodSync(folder, 0o700);
  const data = path.join(folder, 'data');
  const port = await freePort();
  run(`${programs}/initdb`, ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync']);
  // The server ends with the run, so its data need not survive a crash.
  const settings = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=400'];
  const places = ['listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`];
  const options = `-p ${port} ${[...places, ...settings].map((setting) => `-c ${setting}`).join(' ')}`;
  run(`${programs}/pg_ctl`, ['-D', data, '-o', options, '-l', path.join(folder, 'log'), '-w', 'start']);
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    stop() {
      run(`${programs}/pg_ctl`, ['-D', data, '-m', 'immediate', '-w', 'stop']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const server = given ? { url: given, stop() {} } : await startServer();
const vitest = path.join(import.meta.dirname, '..', 'node_modules', 'vitest', 'vitest.mjs');
const child = spawn(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, TEST_DATABASE_URL: server.url },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => {
  server.stop();
  process.exit(code ?? 1);
});
