import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { programEnvironment } from '../config.ts';

/** What the watchdog records while its server runs. */
type Pids = { server: number; watchdog: number; owner: number };

/**
 * Stops the server that an earlier start left behind. If a process still uses the server, this returns that process and
 * keeps the server. Otherwise it returns nothing.
 */
export async function stopLeftover(pidFile: string): Promise<number | undefined> {
  const left = readPids(pidFile);
  if (!left) return undefined;
  // A watchdog keeps the server while its owner lives, and needs some time to stop it afterwards.
  const ownerStops = 5_000;
  const watchdogStops = 15_000;
  const watching = () => runs(left.watchdog, pidFile);
  if (!(await endsWithin(ownerStops, watching)) && isAlive(left.owner)) return left.owner;
  await endsWithin(watchdogStops, watching);

  // If the watchdog was killed too, only this code stops the server.
  const serving = () => runs(left.server, 'start-dev');
  if (serving()) {
    process.kill(left.server, 'SIGTERM');
    if (!(await endsWithin(10_000, serving))) process.kill(left.server, 'SIGKILL');
    await endsWithin(5_000, serving);
  }
  rmSync(pidFile, { force: true });
  return undefined;
}

function readPids(pidFile: string): Pids | undefined {
  try {
    return JSON.parse(readFileSync(pidFile, 'utf8')) as Pids;
  } catch {
    return undefined;
  }
}

async function endsWithin(limitMs: number, goesOn: () => boolean): Promise<boolean> {
  for (const deadline = Date.now() + limitMs; goesOn(); await sleep(100)) {
    if (Date.now() > deadline) return false;
  }
  return true;
}

/** The system reuses process IDs, so only a program that was started as ours counts. */
function runs(pid: number, argument: string): boolean {
  return isAlive(pid) && commandLine(pid).includes(argument);
}

function commandLine(pid: number): string {
  if (existsSync('/proc/self/cmdline')) {
    const file = `/proc/${pid}/cmdline`;
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }
  return (
    spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', env: programEnvironment() }).stdout ?? ''
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
