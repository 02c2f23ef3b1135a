import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Program, runProgram } from './support/programs/processes.ts';

const run = JSON.stringify(path.join(import.meta.dirname, '..', 'run.ts'));

/** A process of which starting and stopping take so long. */
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

test('a signal that comes twice at once, as Ctrl-C under npm does, stops in good order', async () => {
  const program = startProcess(0, 300);
  await program.line(/started/);
  process.kill(program.pid, 'SIGINT');
  await sleep(50);
  expect(await program.end('SIGINT')).toBe(0);
  expect(program.output()).toMatch(/stopped/);
});

test('a second signal that is meant ends at once', async () => {
  const program = startProcess(0, 20_000);
  await program.line(/started/);
  process.kill(program.pid, 'SIGINT');
  await sleep(1_300);
  expect(await program.end('SIGINT')).toBe(130);
  expect(program.output()).not.toMatch(/stopped/);
});

test('a signal during the start waits for it, then stops what was started', async () => {
  const program = startProcess(500, 0);
  await program.line(/starting/);
  await sleep(100);
  expect(await program.end('SIGTERM')).toBe(0);
  expect(program.output()).toMatch(/started\nstopped/);
});

test('what takes longer to stop than it may is ended, with a sentence', async () => {
  const program = startProcess(0, 20_000, 500);
  await program.line(/started/);
  expect(await program.end('SIGTERM')).toBe(1);
  expect(program.output()).toMatch(/not everything stopped within 0\.5 s/);
});

test('a signal during the start is no reason for a shorter end', async () => {
  const program = startProcess(700, 400, 600);
  await program.line(/starting/);
  await sleep(100);
  expect(await program.end('SIGTERM')).toBe(0);
  expect(program.output()).toMatch(/started\nstopped/);
});
