import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Program, runProgram } from './support/programs/processes.ts';

const run = JSON.stringify(path.join(import.meta.dirname, '..', 'run.ts'));

/** A process whose start and stop take this long. */
function startProcess(startMs: number, stopMs: number, stopLimitMs?: number): Program {
  const code = `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { run } from ${run};
    console.log('starting');
    setInterval(() => {}, 1000);
    await run(async () => {
      await sleep(${startMs});
      console.log('started');
      return { async stop() { await sleep(${stopMs}); console.log('stopped'); }, stopLimitMs: ${stopLimitMs} };
    });`;
  return runProgram(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {});
}

test('stops in order after a signal that comes twice at once, as Ctrl-C under npm does', async () => {
  const program = startProcess(0, 300);
  await program.line(/started/);
  process.kill(program.pid, 'SIGINT');
  await sleep(50);
  expect(await program.end('SIGINT')).toBe(0);
  expect(program.output()).toMatch(/stopped/);
});

test('ends at once after an intended second signal', async () => {
  const program = startProcess(0, 20_000);
  await program.line(/started/);
  process.kill(program.pid, 'SIGINT');
  await sleep(1_300);
  expect(await program.end('SIGINT')).toBe(130);
  expect(program.output()).not.toMatch(/stopped/);
});

test('finishes the start before it stops for a signal', async () => {
  const program = startProcess(500, 0);
  await program.line(/starting/);
  await sleep(100);
  expect(await program.end('SIGTERM')).toBe(0);
  expect(program.output()).toMatch(/started\nstopped/);
});

test('ends with a sentence if stopping takes too long', async () => {
  const program = startProcess(0, 20_000, 500);
  await program.line(/started/);
  expect(await program.end('SIGTERM')).toBe(1);
  expect(program.output()).toMatch(/not everything stopped within 0\.5 s/);
});

test('allows the full time to stop after a signal during the start', async () => {
  const program = startProcess(700, 400, 600);
  await program.line(/starting/);
  await sleep(100);
  expect(await program.end('SIGTERM')).toBe(0);
  expect(program.output()).toMatch(/started\nstopped/);
});
