// Runs Temporal's dev server as its child in a session of its own, so that Ctrl-C does not stop the server before its
// users. When standard input ends, even by kill -9 of the owner, the watchdog stops the server. It restarts a server
// that dies after it has run.
//
// node temporal-watchdog.mjs <log file> <pid file> <program> <arguments…>
import { spawn } from 'node:child_process';
import { openSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** A server that ends sooner could not start, so a restart would not help. */
const provenMs = 5_000;
const pauseMs = 500;
const patienceMs = 10_000;

const [logFile, pidFile, program, ...args] = process.argv.slice(2);
const log = openSync(logFile, 'a');
const owner = process.ppid;
let server;
let stopping = false;

function start() {
  const started = Date.now();
  server = spawn(program, args, { stdio: ['ignore', log, log] });
  server.on('error', (error) => end(`failed: ${error.message}`));
  server.on('spawn', writePids);
  server.on('exit', (code, signal) => {
    server = undefined;
    if (stopping) end();
    else if (Date.now() - started > provenMs) setTimeout(() => (stopping ? end() : start()), pauseMs);
    else end(`ended with ${code ?? signal}`);
  });
}

function writePids() {
  writeFileSync(`${pidFile}.new`, JSON.stringify({ server: server.pid, watchdog: process.pid, owner }));
  renameSync(`${pidFile}.new`, pidFile);
}

function stop() {
  if (stopping) return;
  stopping = true;
  server?.kill('SIGTERM');
  setTimeout(() => server?.kill('SIGKILL'), patienceMs).unref();
}

/** Standard output goes to the process that waits for the server. */
function end(failure) {
  rmSync(pidFile, { force: true });
  if (failure) console.log(failure);
  process.exit(failure ? 1 : 0);
}

process.stdin.on('end', stop).on('error', stop).resume();
// The owner can be gone by now.
process.stdout.on('error', () => {});
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {});
process.on('SIGTERM', stop);
start();
