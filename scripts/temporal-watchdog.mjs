// Runs Temporal's dev server as its child, in a session of its own, so that Ctrl-C on the terminal does not reach it
// before its users have stopped. Standard input is the tie to whoever started it: when that ends, also by kill -9,
// the server is stopped.
//   node temporal-watchdog.mjs <log file> <pid file> <program> <arguments…>
import { spawn } from 'node:child_process';
import { openSync, rmSync, writeFileSync } from 'node:fs';

const [logFile, pidFile, program, ...args] = process.argv.slice(2);
const log = openSync(logFile, 'a');
const server = spawn(program, args, { stdio: ['ignore', log, log] });
let stopping = false;

function stop() {
  if (stopping) return;
  stopping = true;
  server.kill('SIGTERM');
  setTimeout(() => server.kill('SIGKILL'), 10_000).unref();
}

server.on('error', (error) => {
  console.log(`failed ${error.message}`);
  process.exit(1);
});
server.on('spawn', () => writeFileSync(pidFile, String(server.pid)));
server.on('exit', (code, signal) => {
  rmSync(pidFile, { force: true });
  if (!stopping) console.log(`ended ${code ?? signal}`);
  process.exit(stopping ? 0 : 1);
});
process.stdin.on('end', stop).on('error', stop).resume();
// The parent may be gone by the time that something is said.
process.stdout.on('error', () => {});
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {});
process.on('SIGTERM', stop);
